"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const stage = byId("stage");
  const split = byId("split");
  const selects = {left: byId("left"), right: byId("right")};
  const views = [...stage.querySelectorAll(".view")];
  const images = views.map((view) => view.querySelector("img"));
  const MOST = 32;
  const SHARP = 4; // pixels of the screen for one of an image from which on they are shown as squares
  const NEAR = 28; // pixels from the line within which a finger takes it
  const state = {zoom: 1, x: 0.5, y: 0.5, split: 50}; // x and y: what is in the middle, in parts of the image

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const layout = () => document.querySelector("input[name=layout]:checked").value;
  const nameOf = (select) => select.selectedOptions[0].textContent;

  function draw() {
    const half = 0.5 / state.zoom;
    state.x = clamp(state.x, half, 1 - half);
    state.y = clamp(state.y, half, 1 - half);
    const across = (0.5 - state.x * state.zoom) * 100;
    const down = (0.5 - state.y * state.zoom) * 100;
    for (const image of images) {
      image.style.transform = `translate(${across}%, ${down}%) scale(${state.zoom})`;
      const shown = image.clientWidth * state.zoom * window.devicePixelRatio;
      image.classList.toggle("pixelated", shown >= SHARP * Number(image.dataset.pixels));
    }
    stage.style.setProperty("--split", `${state.split}%`);
    stage.classList.toggle("zoomed", state.zoom > 1);
    split.value = String(state.split);
    split.setAttribute(
      "aria-valuetext",
      `${state.split} % ${nameOf(selects.left)}, ${100 - state.split} % ${nameOf(selects.right)}`,
    );
    byId("zoom").textContent = `${Math.round(state.zoom * 10) / 10}×`;
    byId("zoom-out").disabled = state.zoom <= 1;
    byId("zoom-in").disabled = state.zoom >= MOST;
    byId("whole").disabled = state.zoom <= 1;
  }

  function choose() {
    views.forEach((view, index) => {
      view.classList.toggle("left", index === Number(selects.left.value));
      view.classList.toggle("right", index === Number(selects.right.value));
    });
    stage.className = `ready ${layout()}`;
    draw();
  }

  // Zoom so that what is at a point of a view stays there; x and y in parts of the view.
  function zoomTo(zoom, x = 0.5, y = 0.5) {
    const next = clamp(zoom, 1, MOST);
    state.x += (x - 0.5) / state.zoom - (x - 0.5) / next;
    state.y += (y - 0.5) / state.zoom - (y - 0.5) / next;
    state.zoom = next;
    draw();
  }

  function boxAt(event) {
    const view = event.target.closest?.(".view") ?? views[Number(selects.left.value)];
    return view.getBoundingClientRect();
  }

  const pointers = new Map();
  let drag = null;
  let box = null;
  let pinch = 0;

  const apart = () => {
    const [one, other] = [...pointers.values()];
    return Math.hypot(one.x - other.x, one.y - other.y);
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    box = boxAt(event);
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    stage.setPointerCapture(event.pointerId);
    const line = box.left + (box.width * state.split) / 100;
    const near = Math.abs(event.clientX - line) <= NEAR;
    drag = layout() === "slider" && (near || state.zoom === 1) ? "line" : "image";
    if (pointers.size === 2) pinch = apart();
  });
  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    if (pointers.size === 2) {
      const points = [...pointers.values()];
      const middle = {x: (points[0].x + points[1].x) / 2, y: (points[0].y + points[1].y) / 2};
      const now = apart();
      if (pinch > 0) {
        zoomTo((state.zoom * now) / pinch, (middle.x - box.left) / box.width, (middle.y - box.top) / box.height);
      }
      pinch = now;
    } else if (drag === "line") {
      state.split = Math.round(clamp(((event.clientX - box.left) / box.width) * 100, 0, 100));
      draw();
    } else {
      state.x -= (event.clientX - last.x) / box.width / state.zoom;
      state.y -= (event.clientY - last.y) / box.height / state.zoom;
      draw();
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    stage.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      pinch = 0;
    });
  }
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const at = boxAt(event);
      const x = (event.clientX - at.left) / at.width;
      const y = (event.clientY - at.top) / at.height;
      zoomTo(state.zoom * Math.exp(-event.deltaY / 300), x, y);
    },
    {passive: false},
  );
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.1 / state.zoom;
    const moves = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]};
    if (event.key === "+" || event.key === "=") zoomTo(state.zoom * 1.5);
    else if (event.key === "-") zoomTo(state.zoom / 1.5);
    else if (event.key === "0") zoomTo(1);
    else if (event.key in moves && state.zoom > 1) {
      state.x += moves[event.key][0];
      state.y += moves[event.key][1];
      draw();
    } else return;
    event.preventDefault();
  });

  split.addEventListener("input", () => {
    state.split = Number(split.value);
    draw();
  });
  for (const select of Object.values(selects)) select.addEventListener("change", choose);
  for (const radio of document.querySelectorAll("input[name=layout]")) radio.addEventListener("change", choose);
  byId("zoom-in").addEventListener("click", () => zoomTo(state.zoom * 1.5));
  byId("zoom-out").addEventListener("click", () => zoomTo(state.zoom / 1.5));
  byId("whole").addEventListener("click", () => zoomTo(1));
  for (const button of document.querySelectorAll(".go")) {
    button.addEventListener("click", () => {
      state.x = Number(button.dataset.x);
      state.y = Number(button.dataset.y);
      state.zoom = clamp(Number(button.dataset.zoom), 1, MOST);
      draw();
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      byId("viewer").scrollIntoView({behavior: calm ? "auto" : "smooth"});
      stage.focus({preventScroll: true});
    });
  }
  window.addEventListener("resize", draw);
  const aspect = images[0].getAttribute("width") / images[0].getAttribute("height");
  byId("viewer").style.setProperty("--aspect", String(aspect));
  choose();
})();

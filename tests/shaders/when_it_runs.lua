-- Makes a screenshot once a pass of Paragon has run, writes the names of the passes next to it, and quits.
local file = mp.get_opt("screenshot")

local function names()
    local found = {}
    for _, pass in ipairs((mp.get_property_native("vo-passes") or {}).fresh or {}) do
        found[#found + 1] = pass.desc
    end
    return table.concat(found, "\n")
end

local timer
timer = mp.add_periodic_timer(0.25, function()
    local passes = names()
    if passes:find("[Paragon", 1, true) then
        timer:kill()
        local list = io.open(file .. ".txt", "w")
        list:write(passes)
        list:close()
        mp.commandv("screenshot-to-file", file, "window")
        mp.command("quit")
    else
        mp.command("show-text \"\"") -- has a paused picture drawn again
    end
end)

/* VapourSynth's plugin "paragon": a door in C to functions written in Python.
 *
 *   core.paragon.Upscale(clip, ...)      -> vs_paragon.upscale.upscale(clip, ...)
 *   core.paragon.ModifyFrames(...)       internal: std.ModifyFrame without its lock, so that frames are made concurrently
 *   core.paragon.PyCall(func)            internal: the second half of Upscale
 *
 * Why two halves. A plugin has no place to keep a Python function: nobody would tell it when to let go of it. So nothing
 * is kept. Upscale finds the Python that this process runs and calls vs_paragon._dispatch.dispatch(). That hands a function
 * to PyCall, and the bindings wrap it into a VSFunction. PyCall calls it with the arguments of the Upscale that waits on
 * the same thread, and frees it.
 *
 * Only VapourSynth's header is needed. Python's functions are looked up at run time, by names of the stable ABI, so one
 * binary serves every Python that VapourSynth serves.
 */
#ifndef _WIN32
#define _GNU_SOURCE /* RTLD_DEFAULT */
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "vapoursynth/VapourSynth4.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define PSAPI_VERSION 2 /* EnumProcessModules is in kernel32: nothing to link */
#include <windows.h>
/* in this order */
#include <psapi.h>
#else
#include <dlfcn.h>
#endif

#ifdef _MSC_VER
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

#ifndef PARAGON_VERSION
#define PARAGON_VERSION VS_MAKE_VERSION(0, 0)
#endif

/* The one place of the signature. A test holds vs_paragon.upscale to it. */
static const char UPSCALE_ARGUMENTS[] =
    "clip:vnode;"
    "model:data:opt;"
    "scale:int:opt;"
    "backend:data:opt;"
    "precision:data:opt;"
    "tile:int[]:opt;"
    "num_streams:int:opt;"
    "matrix:data:opt;" /* these three: a name, or the number of VapourSynth's enum, which arrives as digits */
    "range:data:opt;"
    "chroma_loc:data:opt;"
    "guess_matrix:int:opt;"
    "upsampler_alpha:float:opt;"
    "temporal:float:opt;"
    "reuse:int:opt;"
    "device:data:opt;"
    "padding:data:opt;";

/* --- Upscale: into Python ---------------------------------------------------------------------------------------- */

/* A call from VapourSynth that waits while Python fetches the function that will answer it. */
typedef struct {
    const VSMap *arguments;
    VSMap *result;
    int answered;
} PendingCall;

static THREAD_LOCAL PendingCall *pending;

typedef void PyObject;

typedef struct {
    int (*is_initialized)(void);
    int (*take_lock)(void);
    void (*leave_lock)(int);
    PyObject *(*import)(const char *);
    PyObject *(*call_method)(PyObject *, const char *, const char *, ...);
    PyObject *(*raised)(void);
    PyObject *(*text)(PyObject *);
    PyObject *(*utf8)(PyObject *);
    char *(*characters)(PyObject *);
    void (*error_clear)(void);
    void (*release)(PyObject *);
} Python;

static void *find_symbol(const char *name)
{
#ifdef _WIN32
    HMODULE modules[1024];
    DWORD bytes = 0;
    HMODULE stable = GetModuleHandleW(L"python3.dll"); /* loaded by whatever uses the stable ABI, as the bindings do */
    void *found = stable ? (void *)GetProcAddress(stable, name) : NULL;
    if (!found && EnumProcessModules(GetCurrentProcess(), modules, sizeof modules, &bytes)) {
        size_t count = bytes / sizeof *modules;
        if (count > sizeof modules / sizeof *modules)
            count = sizeof modules / sizeof *modules;
        for (size_t i = 0; i < count && !found; i++)
            found = (void *)GetProcAddress(modules[i], name);
    }
    return found;
#else
    return dlsym(RTLD_DEFAULT, name);
#endif
}

/* Nonzero when this process runs a Python. Looked up at each call: that takes microseconds, and no state is shared. */
static int find_python(Python *python)
{
    const struct {
        const char *name;
        void *function;
    } wanted[] = {
        {"Py_IsInitialized", &python->is_initialized},
        {"PyGILState_Ensure", &python->take_lock},
        {"PyGILState_Release", &python->leave_lock},
        {"PyImport_ImportModule", &python->import},
        {"PyObject_CallMethod", &python->call_method},
        {"PyErr_GetRaisedException", &python->raised},
        {"PyObject_Str", &python->text},
        {"PyUnicode_AsUTF8String", &python->utf8},
        {"PyBytes_AsString", &python->characters},
        {"PyErr_Clear", &python->error_clear},
        {"Py_DecRef", &python->release}, /* takes NULL as well */
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!(*(void **)wanted[i].function = find_symbol(wanted[i].name)))
            return 0;
    return python->is_initialized();
}

/* Turns the exception that Python has raised into the error of the map. The lock is held. */
static void set_python_error(const Python *python, VSMap *result, const VSAPI *api)
{
    char message[2048];
    PyObject *error = python->raised();
    PyObject *text = error ? python->text(error) : NULL;
    PyObject *utf8 = text ? python->utf8(text) : NULL;
    snprintf(message, sizeof message, "paragon.Upscale: %s", utf8 ? python->characters(utf8) : "unknown Python error");
    api->mapSetError(result, message);
    python->release(utf8);
    python->release(text);
    python->release(error);
    python->error_clear(); /* of an exception without a text */
}

static void VS_CC upscale(const VSMap *arguments, VSMap *result, void *user_data, VSCore *core, const VSAPI *api)
{
    PendingCall call = {arguments, result, 0};
    PendingCall *outer = pending;
    Python python;
    (void)user_data, (void)core;

    if (!find_python(&python)) {
        api->mapSetError(result, "paragon.Upscale: no Python runs in this program, and the upscaler is written in it "
                                 "(start the script with vspipe, an editor for VapourSynth, or Python itself)");
        return;
    }
    int lock = python.take_lock();
    pending = &call;
    PyObject *module = python.import("vs_paragon._dispatch");
    PyObject *answer = module ? python.call_method(module, "dispatch", NULL) : NULL;
    pending = outer;
    if (!answer)
        set_python_error(&python, result, api);
    else if (!call.answered)
        api->mapSetError(result, "paragon.Upscale: the plugin and vs_paragon do not fit together (install both again)");
    python.release(answer);
    python.release(module);
    python.leave_lock(lock);
}

/* --- PyCall: back again ------------------------------------------------------------------------------------------- */

static void VS_CC answer_pending(const VSMap *arguments, VSMap *result, void *user_data, VSCore *core, const VSAPI *api)
{
    PendingCall *call = pending;
    (void)user_data, (void)core;

    if (!call) {
        api->mapSetError(result, "paragon.PyCall: a part of paragon.Upscale, of no use to scripts");
        return;
    }
    pending = NULL; /* calls that the function makes are others */
    call->answered = 1;
    VSFunction *function = api->mapGetFunction(arguments, "func", 0, NULL);
    api->callFunction(function, call->arguments, call->result);
    api->freeFunction(function);
    pending = call;
    if (!api->mapGetError(call->result) && api->mapNumElements(call->result, "error") > 0) {
        const char *text = api->mapGetData(call->result, "error", 0, NULL);
        size_t size = (size_t)api->mapGetDataSize(call->result, "error", 0, NULL) + 1;
        char *copy = malloc(size); /* mapSetError empties the map first */
        if (copy)
            snprintf(copy, size, "%s", text);
        api->mapSetError(call->result, copy ? copy : "paragon.Upscale: out of memory");
        free(copy);
    }
}

/* --- ModifyFrames ------------------------------------------------------------------------------------------------- */

typedef struct {
    VSNode *node;
    int last;   /* number of its last frame */
    int offset; /* output frame n asks for its frame n - offset */
} Input;

typedef struct {
    VSVideoInfo info;
    VSFunction *function;
    int count;
    Input inputs[]; /* count of them */
} Filter;

static int frame_of(const Input *input, int n)
{
    int64_t wanted = (int64_t)n - input->offset;
    return wanted < 0 ? 0 : wanted > input->last ? input->last : (int)wanted;
}

static int same_format(const VSVideoFormat *a, const VSVideoFormat *b)
{
    return a->colorFamily == b->colorFamily && a->sampleType == b->sampleType && a->bitsPerSample == b->bitsPerSample &&
           a->subSamplingW == b->subSamplingW && a->subSamplingH == b->subSamplingH;
}

/* Says how the frame differs from what the filter promised; nonzero when it does. */
static int misfit(const VSFrame *frame, const VSVideoInfo *info, char *message, size_t size, const VSAPI *api)
{
    char promised[32] = "?", got[32] = "?";
    if (api->getFrameType(frame) != mtVideo) {
        snprintf(message, size, "paragon.ModifyFrames: the function returned audio");
        return 1;
    }
    const VSVideoFormat *format = api->getVideoFrameFormat(frame);
    int width = api->getFrameWidth(frame, 0), height = api->getFrameHeight(frame, 0);
    if (width == info->width && height == info->height && same_format(format, &info->format))
        return 0;
    api->getVideoFormatName(&info->format, promised);
    api->getVideoFormatName(format, got);
    snprintf(message, size, "paragon.ModifyFrames: the function returned a frame of %dx%d %s instead of %dx%d %s", width,
             height, got, info->width, info->height, promised);
    return 1;
}

/* Asks Python for frame n; NULL after an error, which is then set. */
static const VSFrame *make_frame(const Filter *filter, int n, VSFrameContext *context, const VSAPI *api)
{
    char message[256];
    int missing = 0;
    VSMap *arguments = api->createMap(), *result = api->createMap();
    api->mapSetInt(arguments, "n", n, maReplace);
    for (int i = 0; i < filter->count; i++) {
        const Input *input = &filter->inputs[i];
        api->mapConsumeFrame(arguments, "f", api->getFrameFilter(frame_of(input, n), input->node, context), maAppend);
    }
    api->callFunction(filter->function, arguments, result);
    api->freeMap(arguments);

    const char *error = api->mapGetError(result);
    if (!error && api->mapNumElements(result, "error") > 0)
        error = api->mapGetData(result, "error", 0, NULL);
    const VSFrame *frame = error ? NULL : api->mapGetFrame(result, "val", 0, &missing);
    if (error) {
        api->setFilterError(error, context);
    } else if (!frame) {
        api->setFilterError("paragon.ModifyFrames: the function returned no frame", context);
    } else if (misfit(frame, &filter->info, message, sizeof message, api)) {
        api->setFilterError(message, context);
        api->freeFrame(frame);
        frame = NULL;
    }
    api->freeMap(result);
    return frame;
}

static const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                      VSCore *core, const VSAPI *api)
{
    const Filter *filter = instance;
    (void)frame_data, (void)core;

    if (reason == arInitial)
        for (int i = 0; i < filter->count; i++)
            api->requestFrameFilter(frame_of(&filter->inputs[i], n), filter->inputs[i].node, context);
    return reason == arAllFramesReady ? make_frame(filter, n, context, api) : NULL;
}

static void VS_CC free_filter(void *instance, VSCore *core, const VSAPI *api)
{
    Filter *filter = instance;
    (void)core;

    for (int i = 0; i < filter->count; i++)
        api->freeNode(filter->inputs[i].node);
    api->freeFunction(filter->function);
    free(filter);
}

static void VS_CC create_filter(const VSMap *arguments, VSMap *result, void *user_data, VSCore *core, const VSAPI *api)
{
    int count = api->mapNumElements(arguments, "clips"), offsets = api->mapNumElements(arguments, "offsets");
    VSNode *pattern = api->mapGetNode(arguments, "clip", 0, NULL);
    VSVideoInfo info = *api->getVideoInfo(pattern);
    (void)user_data;

    api->freeNode(pattern);
    if (info.format.colorFamily == cfUndefined || info.width == 0 || info.height == 0) {
        api->mapSetError(result, "paragon.ModifyFrames: clip must have one format and one size");
        return;
    }
    if (offsets > 0 && offsets != count) {
        api->mapSetError(result, "paragon.ModifyFrames: offsets must be as many as clips");
        return;
    }
    Filter *filter = malloc(sizeof *filter + (size_t)count * sizeof *filter->inputs);
    VSFilterDependency *sources = malloc((size_t)count * sizeof *sources);
    if (!filter || !sources) {
        free(filter);
        free(sources);
        api->mapSetError(result, "paragon.ModifyFrames: out of memory");
        return;
    }
    filter->info = info;
    filter->count = count;
    filter->function = api->mapGetFunction(arguments, "func", 0, NULL);
    for (int i = 0; i < count; i++) {
        Input *input = &filter->inputs[i];
        input->node = api->mapGetNode(arguments, "clips", i, NULL);
        input->last = api->getVideoInfo(input->node)->numFrames - 1;
        input->offset = offsets > 0 ? api->mapGetIntSaturated(arguments, "offsets", i, NULL) : 0;
        sources[i].source = input->node;
        sources[i].requestPattern =
            input->offset == 0 && input->last >= info.numFrames - 1 ? rpStrictSpatial : rpGeneral;
    }
    api->createVideoFilter(result, "ModifyFrames", &info, get_frame, free_filter, fmParallel, sources, count, filter, core);
    free(sources);
}

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *api)
{
    api->configPlugin("sr.paragon", "paragon", "Super-resolution with ParagonSR2 networks", PARAGON_VERSION,
                      VAPOURSYNTH_API_VERSION, 0, plugin);
    api->registerFunction("Upscale", UPSCALE_ARGUMENTS, "clip:vnode;", upscale, NULL, plugin);
    api->registerFunction("ModifyFrames", "clip:vnode;clips:vnode[];func:func;offsets:int[]:opt;", "clip:vnode;",
                          create_filter, NULL, plugin);
    api->registerFunction("PyCall", "func:func;", "", answer_pending, NULL, plugin);
}

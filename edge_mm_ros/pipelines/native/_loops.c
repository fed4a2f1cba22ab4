/* The module of the compiled loops. The modules of the pipelines that call them say what is computed
 * and why, and do the same with numpy where this was not built; tests hold both against each other. */
#include "arrays.h"

#define LOOP(name) \
    extern const char name##_doc[]; \
    extern PyObject *name(PyObject *, PyObject *const *, Py_ssize_t);
#define METHOD(name) \
    { #name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, name##_doc }

LOOP(tracks_overall)
LOOP(tracks_predict)
LOOP(tracks_correct)
LOOP(tracks_pair)
LOOP(points_above_ground)

static PyMethodDef methods[] = {
    METHOD(tracks_overall),
    METHOD(tracks_predict),
    METHOD(tracks_correct),
    METHOD(tracks_pair),
    METHOD(points_above_ground),
    {NULL, NULL, 0, NULL},
};

/* Raised with each change of what the functions take: a library that was built before is left
 * aside. The package's __init__.py asks for it. */
enum { INTERFACE = 2 };

static int executed(PyObject *self) {
    return PyModule_AddIntConstant(self, "INTERFACE", INTERFACE);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)executed}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_loops",
    .m_doc = "Compiled loops of the pipelines.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__loops(void) { return PyModuleDef_Init(&module); }

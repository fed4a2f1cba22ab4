/* The arguments of compiled loops: contiguous arrays, taken as they lie in memory. */
#ifndef EDGE_MM_ROS_ARRAYS_H
#define EDGE_MM_ROS_ARRAYS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

enum { MOST_ARRAYS = 12 };

typedef struct {
    Py_buffer views[MOST_ARRAYS];
    int count;
} Arrays;

static inline void release(Arrays *arrays) {
    while (arrays->count > 0) PyBuffer_Release(&arrays->views[--arrays->count]);
}

/* The values of an array of so many elements of one of the formats of the struct module; NULL with
 * an exception where it is none. A negative length takes any, and stores it. */
static inline void *values_of(
    Arrays *arrays, PyObject *object, Py_ssize_t *length, const char *formats, int writable) {
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    Py_buffer *view = &arrays->views[arrays->count];
    if (PyObject_GetBuffer(object, view, flags) < 0) return NULL;
    arrays->count++;
    Py_ssize_t found = view->len / view->itemsize;
    if (view->format == NULL || strlen(view->format) != 1 || !strchr(formats, view->format[0])) {
        PyErr_SetString(PyExc_TypeError, "an array has elements of another type");
        return NULL;
    }
    if (*length < 0) *length = found;
    if (found != *length) {
        PyErr_Format(
            PyExc_ValueError, "an array has %zd elements, expected %zd", found, *length);
        return NULL;
    }
    return view->buf;
}

static inline double *doubles(Arrays *arrays, PyObject *object, Py_ssize_t length, int writable) {
    return values_of(arrays, object, &length, "d", writable);
}

static inline int numbers(PyObject *const *objects, int count, double *found) {
    for (int index = 0; index < count; index++) {
        found[index] = PyFloat_AsDouble(objects[index]);
        if (found[index] == -1.0 && PyErr_Occurred()) return -1;
    }
    return 0;
}

static inline int expect(const char *name, Py_ssize_t given, Py_ssize_t wanted) {
    if (given == wanted) return 0;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, got %zd", name, wanted, given);
    return -1;
}

#endif

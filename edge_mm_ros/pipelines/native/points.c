/* The points of a cloud above the ground: what numpy does column by column in clustering.py of the
 * fusion is done here point by point, in float32 and in the same order of operations. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "arrays.h"

typedef struct {
    float rotation[9], shift[3];
    float max_squared, reach, ground, slope, step, clearance;
} Limits;

/* Of n points, columns of the robot's frame, and the square of the plan, one metre wide, in which
 * each lies: first its row and its column, then its place in a picture of them, row after row, with an
 * empty border all round. */
typedef struct {
    float *restrict x, *restrict y, *restrict z;
    int32_t *restrict row, *restrict column;
} Points;

/* Loops without branches, and over one thing at a time, so that compilers make vector code of them. */
static void move(
    const Limits *limits, const float *restrict x, const float *restrict y, const float *restrict z,
    Py_ssize_t count, int axis, float *restrict moved) {
    const float a = limits->rotation[3 * axis], b = limits->rotation[3 * axis + 1];
    const float c = limits->rotation[3 * axis + 2], shift = limits->shift[axis];
    for (Py_ssize_t k = 0; k < count; k++) moved[k] = a * x[k] + b * y[k] + c * z[k] + shift;
}

static Py_ssize_t only_in_range(const Limits *limits, Points *points, Py_ssize_t count) {
    const float most = limits->max_squared, reach = limits->reach;
    Py_ssize_t kept = 0;
    for (Py_ssize_t k = 0; k < count; k++) {
        float x = points->x[k], y = points->y[k], z = points->z[k];
        points->x[kept] = x;
        points->y[kept] = y;
        points->z[kept] = z;
        kept += (x * x + y * y <= most) & (fabsf(z) <= reach);
    }
    return kept;
}

/* Whole numbers below, from 1; returns the number of squares along this axis with the border. */
static Py_ssize_t whole_metres(const float *restrict values, Py_ssize_t count, int32_t *restrict whole) {
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (Py_ssize_t k = 0; k < count; k++) {
        int32_t towards_zero = (int32_t)values[k];
        whole[k] = towards_zero - (values[k] < (float)towards_zero);
    }
    for (Py_ssize_t k = 0; k < count; k++) {
        low = whole[k] < low ? whole[k] : low;
        high = whole[k] > high ? whole[k] : high;
    }
    for (Py_ssize_t k = 0; k < count; k++) whole[k] -= low - 1;
    return (Py_ssize_t)high - low + 3;
}

static float least(float one, float other) { return other < one ? other : one; }

/* The lowest echo near the assumed plane on each square. */
static void find_lowest(
    const Limits *limits, const Points *points, Py_ssize_t count, float *restrict lowest) {
    const float ground = limits->ground, slope = limits->slope, step = limits->step;
    for (Py_ssize_t k = 0; k < count; k++) {
        float x = points->x[k], y = points->y[k], z = points->z[k];
        float slack = sqrtf(x * x + y * y) * slope + step;
        float *own = &lowest[points->row[k]];
        *own = least(*own, fabsf(z - ground) <= slack ? z : INFINITY);
    }
}

/* Each square's own and its eight neighbours' lowest: along the rows, then along the columns. */
static void spread(float *restrict lowest, float *restrict copy, Py_ssize_t columns, Py_ssize_t size) {
    const Py_ssize_t ahead[2] = {columns, 1};
    for (int axis = 0; axis < 2; axis++) {
        memcpy(copy, lowest, size * sizeof(float));
        for (Py_ssize_t k = columns; k < size - columns; k++)
            lowest[k] = least(copy[k], least(copy[k + ahead[axis]], copy[k - ahead[axis]]));
    }
}

static Py_ssize_t only_raised(Points *points, Py_ssize_t count, const float *restrict lowest) {
    Py_ssize_t kept = 0;
    for (Py_ssize_t k = 0; k < count; k++) {
        float z = points->z[k];
        points->x[kept] = points->x[k];
        points->y[kept] = points->y[k];
        points->z[kept] = z;
        kept += z > lowest[points->row[k]];
    }
    return kept;
}

/* Returns how many points are left, or -1 without memory. */
static Py_ssize_t above_ground(
    const Limits *limits, float *const raw[3], Py_ssize_t count, float *found) {
    Py_ssize_t kept = -1;
    int32_t *places = malloc((2 * count + 1) * sizeof(int32_t));
    if (places == NULL) return -1;
    Points points = {found, found + count, found + 2 * count, places, places + count};
    for (int axis = 0; axis < 3; axis++)
        move(limits, raw[0], raw[1], raw[2], count, axis, found + axis * count);
    Py_ssize_t near = only_in_range(limits, &points, count);
    if (near == 0) {
        free(places);
        return 0;
    }
    Py_ssize_t rows = whole_metres(points.x, near, points.row);
    Py_ssize_t columns = whole_metres(points.y, near, points.column), size = rows * columns;
    for (Py_ssize_t k = 0; k < near; k++)
        points.row[k] = points.row[k] * (int32_t)columns + points.column[k];
    float *lowest = malloc(2 * size * sizeof(float));
    if (lowest != NULL) {
        for (Py_ssize_t k = 0; k < size; k++) lowest[k] = INFINITY;
        find_lowest(limits, &points, near, lowest);
        spread(lowest, lowest + size, columns, size);
        for (Py_ssize_t k = 0; k < size; k++)
            lowest[k] = (isinf(lowest[k]) ? limits->ground : lowest[k]) + limits->clearance;
        kept = only_raised(&points, near, lowest);
    }
    free(lowest);
    free(places);
    return kept;
}

const char points_above_ground_doc[] =
    "points_above_ground(x, y, z, limits, found): the points (n,) that stand above the ground, in\n"
    "the robot's frame, to the first of the three rows of found (3, n); returns how many. limits\n"
    "(18,): rotation and shift into that frame, the squared range, the reach of z, the ground's\n"
    "height, slope and step, and the clearance above it. All arrays are float32.";

PyObject *points_above_ground(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    Py_ssize_t count = -1, eighteen = 18, kept = -1;
    float *raw[3], *values = NULL, *found = NULL;
    Limits limits;
    if (expect("points_above_ground", given, 5) < 0) return NULL;
    int fine = 1;
    for (int axis = 0; fine && axis < 3; axis++) {
        raw[axis] = values_of(&arrays, args[axis], &count, "f", 0);
        fine = raw[axis] != NULL;
    }
    if (fine) values = values_of(&arrays, args[3], &eighteen, "f", 0);
    if (values != NULL) {
        Py_ssize_t all = 3 * count;
        found = values_of(&arrays, args[4], &all, "f", 1);
    }
    if (found != NULL) {
        memcpy(&limits, values, sizeof(limits));
        Py_BEGIN_ALLOW_THREADS
        kept = above_ground(&limits, raw, count, found);
        Py_END_ALLOW_THREADS
        if (kept < 0) PyErr_NoMemory();
    }
    release(&arrays);
    return kept < 0 ? NULL : PyLong_FromSsize_t(kept);
}

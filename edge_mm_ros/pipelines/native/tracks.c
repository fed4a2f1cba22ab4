/* The arithmetic of all tracks: what numpy does array by array in imm.py, motion.py and likelihood.py
 * of the tracking is done here track by track, by the same formulas.
 *
 * One track has two models of 42 numbers each: the mean (x, y, z, vx, vy, turn rate), and its
 * covariance row by row. Indices of pairs are int64, all else is float64. */
#include <math.h>
#include <stdint.h>

#include "arrays.h"

enum { X, Y, Z, VX, VY, TURN, STATES };
enum { STRAIGHT, TURNING, MODELS };
enum { MOMENTS = STATES * (1 + STATES), TRACK = MODELS * MOMENTS };

/* Mixtures ------------------------------------------------------------------------------------- */

/* The moments of the mixture of a track's two models by shares that add up to 1. */
static void mix(const double *track, double straight, double turning, double *mixed) {
    const double *one = track, *other = track + MOMENTS;
    double apart[STATES], both = straight * turning;
    for (int i = 0; i < MOMENTS; i++) mixed[i] = straight * one[i] + turning * other[i];
    for (int i = 0; i < STATES; i++) apart[i] = one[i] - other[i];
    for (int i = 0; i < STATES; i++)
        for (int j = 0; j < STATES; j++) mixed[STATES * (1 + i) + j] += both * (apart[i] * apart[j]);
}

const char tracks_overall_doc[] =
    "overall(values, models, mixed): moments (n, 42) over the models.";

PyObject *tracks_overall(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    Py_ssize_t length = -1;
    if (expect("overall", given, 3) < 0) return NULL;
    double *models = values_of(&arrays, args[1], &length, "d", 0);
    Py_ssize_t count = length / MODELS;
    double *values = models ? doubles(&arrays, args[0], count * TRACK, 0) : NULL;
    double *mixed = values ? doubles(&arrays, args[2], count * MOMENTS, 1) : NULL;
    if (mixed)
        for (Py_ssize_t k = 0; k < count; k++)
            mix(values + k * TRACK, models[2 * k], models[2 * k + 1], mixed + k * MOMENTS);
    release(&arrays);
    if (!mixed) return NULL;
    Py_RETURN_NONE;
}

/* Prediction ----------------------------------------------------------------------------------- */

typedef struct {
    double elapsed_s, fade;
    double switching[MODELS][MODELS];
    double noise[MODELS][STATES * STATES];
} Motion;

/* How x, y, vx and vy follow from themselves (1 on the diagonal of x and y) and from vx, vy, turn. */
typedef double Slopes[4][3];

static void straight_motion(const Motion *motion, double *mean, Slopes slopes) {
    double dt = motion->elapsed_s;
    Slopes found = {{dt, 0.0, 0.0}, {0.0, dt, 0.0}, {1.0, 0.0, 0.0}, {0.0, 1.0, 0.0}};
    mean[X] += dt * mean[VX];
    mean[Y] += dt * mean[VY];
    memcpy(slopes, found, sizeof(found));
}

static const double SMALL_TURN_RAD = 1e-3; /* below, a series stands in for a quotient */

static void turning_motion(const Motion *motion, double *mean, Slopes slopes) {
    double dt = motion->elapsed_s, turn = mean[TURN], vx = mean[VX], vy = mean[VY];
    double angle = turn * dt, cosine = cos(angle), sine = sin(angle);
    double along, aside, along_slope, aside_slope;
    if (fabs(angle) < SMALL_TURN_RAD) {
        along = dt * (1.0 - angle * angle / 6.0);
        aside = dt * angle / 2.0;
        along_slope = -(dt * dt) * angle / 3.0;
        aside_slope = dt * dt / 2.0;
    } else {
        along = sine / turn;
        aside = (1.0 - cosine) / turn;
        along_slope = (dt * cosine - along) / turn;
        aside_slope = (dt * sine - aside) / turn;
    }
    Slopes found = {
        {along, -aside, along_slope * vx - aside_slope * vy},
        {aside, along, aside_slope * vx + along_slope * vy},
        {cosine, -sine, -dt * (sine * vx + cosine * vy)},
        {sine, cosine, dt * (cosine * vx - sine * vy)},
    };
    mean[X] += along * vx - aside * vy;
    mean[Y] += aside * vx + along * vy;
    mean[VX] = cosine * vx - sine * vy;
    mean[VY] = sine * vx + cosine * vy;
    memcpy(slopes, found, sizeof(found));
}

/* J C of a motion's derivatives J and the columns C of a matrix, in place; with a stride of 1 and
 * a step of STATES the rows, the other way round the columns: J P J' is one after the other. */
static void derive(const Slopes slopes, double fade, double *matrix, int step, int stride) {
    for (int k = 0; k < STATES; k++) {
        double *vector = matrix + k * stride;
        double vx = vector[VX * step], vy = vector[VY * step], turn = vector[TURN * step];
        vector[X * step] += slopes[0][0] * vx + slopes[0][1] * vy + slopes[0][2] * turn;
        vector[Y * step] += slopes[1][0] * vx + slopes[1][1] * vy + slopes[1][2] * turn;
        vector[VX * step] = slopes[2][0] * vx + slopes[2][1] * vy + slopes[2][2] * turn;
        vector[VY * step] = slopes[3][0] * vx + slopes[3][1] * vy + slopes[3][2] * turn;
        vector[TURN * step] = fade * turn;
    }
}

static void predict_track(
    const Motion *motion, const double *values, const double *models, double *after,
    double *models_after) {
    for (int to = 0; to < MODELS; to++) {
        double from[MODELS], sum = 0.0;
        for (int i = 0; i < MODELS; i++) sum += from[i] = models[i] * motion->switching[i][to];
        models_after[to] = sum;
        double *mean = after + to * MOMENTS, *spread = mean + STATES;
        Slopes slopes;
        mix(values, from[STRAIGHT] / sum, from[TURNING] / sum, mean);
        (to == TURNING ? turning_motion : straight_motion)(motion, mean, slopes);
        mean[TURN] *= motion->fade;
        derive(slopes, motion->fade, spread, STATES, 1);
        derive(slopes, motion->fade, spread, 1, STATES);
        for (int i = 0; i < STATES * STATES; i++) spread[i] += motion->noise[to][i];
    }
}

const char tracks_predict_doc[] =
    "predict(values, models, switching, noise, elapsed_s, fade, after, models_after): what is\n"
    "believed of n tracks after a time without measurements.";

PyObject *tracks_predict(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    Motion motion;
    double times[2];
    Py_ssize_t length = -1;
    if (expect("predict", given, 8) < 0 || numbers(args + 4, 2, times) < 0) return NULL;
    motion.elapsed_s = times[0];
    motion.fade = times[1];
    double *models = values_of(&arrays, args[1], &length, "d", 0);
    Py_ssize_t count = length / MODELS;
    double *values = models ? doubles(&arrays, args[0], count * TRACK, 0) : NULL;
    double *switching = values ? doubles(&arrays, args[2], MODELS * MODELS, 0) : NULL;
    double *noise = switching ? doubles(&arrays, args[3], MODELS * STATES * STATES, 0) : NULL;
    double *after = noise ? doubles(&arrays, args[6], count * TRACK, 1) : NULL;
    double *models_after = after ? doubles(&arrays, args[7], count * MODELS, 1) : NULL;
    if (models_after) {
        memcpy(motion.switching, switching, sizeof(motion.switching));
        memcpy(motion.noise, noise, sizeof(motion.noise));
        for (Py_ssize_t k = 0; k < count; k++)
            predict_track(
                &motion, values + k * TRACK, models + k * MODELS, after + k * TRACK,
                models_after + k * MODELS);
    }
    release(&arrays);
    if (!models_after) return NULL;
    Py_RETURN_NONE;
}

/* Correction ----------------------------------------------------------------------------------- */

enum { PLACE = 3, ROWS = STATES + 1 }; /* the last row holds the gap to what was measured */

/* Inverse and determinant of a symmetric matrix, by cofactors. */
static double invert(double m[PLACE][PLACE], double inverse[PLACE][PLACE]) {
    double a = m[0][0], b = m[0][1], c = m[0][2], d = m[1][1], e = m[1][2], f = m[2][2];
    inverse[0][0] = d * f - e * e;
    inverse[0][1] = inverse[1][0] = c * e - b * f;
    inverse[0][2] = inverse[2][0] = b * e - c * d;
    inverse[1][1] = a * f - c * c;
    inverse[1][2] = inverse[2][1] = b * c - a * e;
    inverse[2][2] = a * d - b * b;
    double determinant = a * inverse[0][0] + b * inverse[0][1] + c * inverse[0][2];
    for (int i = 0; i < PLACE; i++)
        for (int j = 0; j < PLACE; j++) inverse[i][j] /= determinant;
    return determinant;
}

/* One model's moments after a measurement; returns twice the negative log of its likelihood. */
static double correct_model(
    const double *before, const double *position, const double *noise, double *after) {
    const double *spread_before = before + STATES;
    double crossed[ROWS][PLACE], spread[PLACE][PLACE], inverse[PLACE][PLACE];
    double gain[ROWS][PLACE], left[ROWS][PLACE], change[ROWS][ROWS];
    for (int i = 0; i < STATES; i++)
        for (int j = 0; j < PLACE; j++) crossed[i][j] = spread_before[i * STATES + j];
    for (int j = 0; j < PLACE; j++) crossed[STATES][j] = position[j] - before[j];
    for (int i = 0; i < PLACE; i++)
        for (int j = 0; j < PLACE; j++) spread[i][j] = crossed[i][j] + noise[i * PLACE + j];
    double determinant = invert(spread, inverse);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < PLACE; j++)
            gain[i][j] = crossed[i][0] * inverse[0][j] + crossed[i][1] * inverse[1][j]
                + crossed[i][2] * inverse[2][j];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < PLACE; j++)
            left[i][j] = 2.0 * crossed[i][j]
                - (gain[i][0] * spread[0][j] + gain[i][1] * spread[1][j]
                   + gain[i][2] * spread[2][j]);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < ROWS; j++)
            change[i][j] =
                left[i][0] * gain[j][0] + left[i][1] * gain[j][1] + left[i][2] * gain[j][2];
    for (int i = 0; i < STATES; i++) {
        after[i] = before[i] + change[i][STATES];
        for (int j = 0; j < STATES; j++)
            after[STATES * (1 + i) + j] = 0.5
                * ((spread_before[i * STATES + j] - change[i][j])
                   + (spread_before[j * STATES + i] - change[j][i]));
    }
    return change[STATES][STATES] + log(determinant);
}

static void normalise(double *models) {
    double sum = models[STRAIGHT] + models[TURNING];
    models[STRAIGHT] /= sum;
    models[TURNING] /= sum;
}

const char tracks_correct_doc[] =
    "correct(values, models, positions_m, noises_m2, least, after, models_after): what is\n"
    "believed of n tracks after one measurement of each track's place.";

PyObject *tracks_correct(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    Py_ssize_t length = -1;
    double least;
    if (expect("correct", given, 7) < 0 || numbers(args + 4, 1, &least) < 0) return NULL;
    double *models = values_of(&arrays, args[1], &length, "d", 0);
    Py_ssize_t count = length / MODELS;
    double *values = models ? doubles(&arrays, args[0], count * TRACK, 0) : NULL;
    double *positions = values ? doubles(&arrays, args[2], count * PLACE, 0) : NULL;
    double *noises = positions ? doubles(&arrays, args[3], count * PLACE * PLACE, 0) : NULL;
    double *after = noises ? doubles(&arrays, args[5], count * TRACK, 1) : NULL;
    double *models_after = after ? doubles(&arrays, args[6], count * MODELS, 1) : NULL;
    if (models_after)
        for (Py_ssize_t k = 0; k < count; k++) {
            double misfit[MODELS], *own = models_after + k * MODELS;
            for (int i = 0; i < MODELS; i++)
                misfit[i] = correct_model(
                    values + k * TRACK + i * MOMENTS, positions + k * PLACE,
                    noises + k * PLACE * PLACE, after + k * TRACK + i * MOMENTS);
            double lowest = fmin(misfit[STRAIGHT], misfit[TURNING]);
            for (int i = 0; i < MODELS; i++)
                own[i] = models[k * MODELS + i] * exp(0.5 * (lowest - misfit[i]));
            normalise(own);
            for (int i = 0; i < MODELS; i++) own[i] = fmax(own[i], least);
            normalise(own);
        }
    release(&arrays);
    if (!models_after) return NULL;
    Py_RETURN_NONE;
}

/* Pairs ---------------------------------------------------------------------------------------- */

/* Root of a symmetric matrix (Cholesky): 0 diagonal, then the elements below it. */
typedef struct {
    double a, d, f, b, c, e;
} Root;

static Root root_of(const double *m) {
    Root root;
    root.a = sqrt(m[0]);
    root.b = m[1] / root.a;
    root.c = m[2] / root.a;
    root.d = sqrt(m[4] - root.b * root.b);
    root.e = (m[5] - root.b * root.c) / root.d;
    root.f = sqrt(m[8] - root.c * root.c - root.e * root.e);
    return root;
}

static void whiten(const Root *root, const double *vector, double *white) {
    white[0] = vector[0] / root->a;
    white[1] = (vector[1] - root->b * white[0]) / root->d;
    white[2] = (vector[2] - root->c * white[0] - root->e * white[1]) / root->f;
}

static double product(const double *one, const double *other) {
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2];
}

const char tracks_pair_doc[] =
    "pair(positions_m, errors_m2, biases_m2, rays, means, known_m2, shift_m, more_m2, instead,\n"
    "gate, stray_sigma_m, indices, found): the number of pairs of n measurements and m tracks that\n"
    "lie within the gate along x and along y. Their rows and columns go to indices (2, n * m); to\n"
    "found (5, n * m) go squared distance, log of the determinant, the ray's own square, its\n"
    "product with the gap, both under the pair's covariance, and how far the gap goes along it.\n"
    "shift_m, more_m2 (n, m, 3) and instead (n, m) are None where nothing is hidden.";

PyObject *tracks_pair(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    Py_ssize_t length = -1, tracks_length = -1, count = 0;
    double limits[2], *shift = NULL, *more = NULL, *found = NULL;
    const char *instead = NULL;
    int64_t *indices = NULL;
    if (expect("pair", given, 13) < 0 || numbers(args + 9, 2, limits) < 0) return NULL;
    double gate = limits[0], stray = limits[1];
    int hidden = args[6] != Py_None;
    double *positions = values_of(&arrays, args[0], &length, "d", 0);
    Py_ssize_t n = length / PLACE;
    double *errors = positions ? doubles(&arrays, args[1], n * 9, 0) : NULL;
    double *biases = errors ? doubles(&arrays, args[2], n * 9, 0) : NULL;
    double *rays = biases ? doubles(&arrays, args[3], n * PLACE, 0) : NULL;
    double *known = rays ? values_of(&arrays, args[5], &tracks_length, "d", 0) : NULL;
    Py_ssize_t m = tracks_length / 9;
    double *means = known ? doubles(&arrays, args[4], m * PLACE, 0) : NULL;
    int fine = means != NULL;
    if (fine && hidden) {
        Py_ssize_t all = n * m;
        shift = doubles(&arrays, args[6], all * PLACE, 0);
        more = shift ? doubles(&arrays, args[7], all * PLACE, 0) : NULL;
        instead = more ? values_of(&arrays, args[8], &all, "?", 0) : NULL;
        fine = instead != NULL;
    }
    if (fine) {
        Py_ssize_t two = 2 * n * m;
        indices = values_of(&arrays, args[11], &two, "lq", 1);
        found = indices ? doubles(&arrays, args[12], 5 * n * m, 1) : NULL;
        fine = found != NULL;
    }
    for (Py_ssize_t row = 0; fine && row < n; row++) {
        const double *error = errors + row * 9, *ray = rays + row * PLACE;
        double vague_x = error[0] + (stray * ray[0]) * (stray * ray[0]);
        double vague_y = error[4] + (stray * ray[1]) * (stray * ray[1]);
        for (Py_ssize_t column = 0; column < m; column++) {
            Py_ssize_t at = row * m + column;
            const double *track = known + column * 9;
            double gap[PLACE], spread[9], white[PLACE], white_ray[PLACE];
            for (int i = 0; i < PLACE; i++)
                gap[i] = positions[row * PLACE + i] - means[column * PLACE + i]
                    + (hidden ? shift[at * PLACE + i] : 0.0);
            double wide_x = vague_x + track[0], wide_y = vague_y + track[4];
            if (hidden) {
                wide_x += more[at * PLACE];
                wide_y += more[at * PLACE + 1];
            }
            if (!(gap[0] * gap[0] <= gate * wide_x && gap[1] * gap[1] <= gate * wide_y)) continue;
            for (int i = 0; i < 9; i++) spread[i] = error[i] + track[i];
            if (hidden) {
                if (instead[at])
                    for (int i = 0; i < 9; i++) spread[i] -= biases[row * 9 + i];
                for (int i = 0; i < PLACE; i++) spread[4 * i] += more[at * PLACE + i];
            }
            Root root = root_of(spread);
            whiten(&root, gap, white);
            whiten(&root, ray, white_ray);
            indices[count] = row;
            indices[n * m + count] = column;
            found[count] = product(white, white);
            found[n * m + count] = 2.0 * log(root.a * root.d * root.f);
            found[2 * n * m + count] = product(white_ray, white_ray);
            found[3 * n * m + count] = product(white_ray, white);
            found[4 * n * m + count] = product(gap, ray);
            count++;
        }
    }
    release(&arrays);
    return fine ? PyLong_FromSsize_t(count) : NULL;
}

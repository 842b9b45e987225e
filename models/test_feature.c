/* SPDX-License-Identifier: Apache-2.0 */
/* Feature programs: each operation on small histories whose answers were worked out by hand, and what must hold for
 * states: order, bytes, gaps. */
#include "models/derive.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/clock.h"

#define DAY RS_DAY_S
#define N_SIGNALS 2

/* Owns nothing: a program of two signals (a gauge, a counter), two windows and the steps given. */
struct fixture {
    struct rs_signal signals[N_SIGNALS];
    char *values[3];
    struct rs_attr attrs[2];
    struct rs_window windows[2];
    struct rs_cohort cohorts[3];
    char *events[2];
    struct rs_program p;
};

static void build(struct fixture *f, const struct rs_step *steps, uint32_t n)
{
    *f = (struct fixture){
        .signals = { { "temp_c", "Cel", RS_GAUGE }, { "errors", "", RS_COUNTER } },
        .values = { "A", "B", "C" },
        .windows = { { DAY, 7 }, { 3600, 2 } },
        .events = { "failure", "event/reboot" },
        .cohorts = { { 0, 0, 0, "all" }, { 0, 0, 1, "model=B" }, { 1, 0, 1, "model=B again" } },
    };
    f->attrs[0] = (struct rs_attr){ .name = "model", .values = f->values, .n_values = 3 };
    f->attrs[1] = (struct rs_attr){ .name = "bytes", .is_number = true };
    f->p = (struct rs_program){
        .signals = f->signals,
        .n_signals = N_SIGNALS,
        .attrs = f->attrs,
        .n_attrs = 2,
        .windows = f->windows,
        .n_windows = 2,
        .cohorts = f->cohorts,
        .n_cohorts = 3,
        .events = f->events,
        .n_events = 2,
        .n_steps = n,
    };
    f->p.steps = malloc(n * sizeof *steps);
    assert_non_null(f->p.steps);
    memcpy(f->p.steps, steps, n * sizeof *steps);
}

static void done(struct fixture *f)
{
    struct rs_program owned = { .steps = f->p.steps, .layout = f->p.layout };
    rs_program_clear(&owned);
}

static void finish(struct fixture *f)
{
    struct rs_error err = RS_ERROR_INIT;
    if (rs_program_finish(&f->p, &err) != RS_OK)
        fail_msg("%s", err.msg);
}

static const struct rs_attr_value attrs_b[2] = { { .code = 1, .number = NAN }, { .code = -1, .number = 2.385f } };

struct sample {
    int64_t time;
    float values[N_SIGNALS];
};

/* Pushes the samples and yields the one feature of a one-step program. */
static float feature(struct rs_step step, const struct sample *samples, size_t n)
{
    struct fixture f;
    float x = NAN;
    build(&f, &step, 1);
    finish(&f);
    rs_autofree void *state = malloc(rs_program_state_size(&f.p));
    rs_state_init(&f.p, state);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rs_state_push(&f.p, state, samples[i].time, samples[i].values), RS_OK);
    rs_state_features(&f.p, state, attrs_b, &x);
    done(&f);
    return x;
}

#define FEATURE(samples, ...) feature((struct rs_step){ __VA_ARGS__ }, samples, RS_LEN(samples))

/* The sums and logarithms of the expected values: Python, math.log1p and fractions, rounded to float. */
static void test_operations(void **unused)
{
    (void)unused;
    static const struct sample days[] = {
        { 0 * DAY, { 20.5f, 3 } },  { 1 * DAY, { 21.25f, 3 } }, { 2 * DAY, { NAN, 4 } },       { 3 * DAY, { 24, 9 } },
        { 4 * DAY, { 19.5f, 9 } },  { 5 * DAY, { 22.75f, 9 } }, { 6 * DAY, { 23, INFINITY } }, { 7 * DAY, { 21, 12 } },
        { 8 * DAY, { 25.5f, 12 } }, { 9 * DAY, { NAN, 17 } },
    };
    float x = FEATURE(days, .op = RS_STEP_VALUE, .arg = 0);
    assert_true(x == 25.5f); /* the newest reading, a day old */
    x = FEATURE(days, .op = RS_STEP_VALUE, .arg = 1, .transform = RS_LOG1P);
    assert_true(x == (float)2.8903717578961645); /* log1p(17) */
    x = FEATURE(days, .op = RS_STEP_POSITIVE, .arg = 0);
    assert_true(x == 1);
    x = FEATURE(days, .op = RS_STEP_DELTA, .arg = 1, .window = 0);
    assert_true(x == 13); /* 17 on day 9 - 4 on day 2 */
    x = FEATURE(days, .op = RS_STEP_DELTA, .arg = 1, .window = 0, .transform = RS_LOG1P);
    assert_true(x == (float)2.6390573296152584); /* log1p(13), not log1p(17) - log1p(4) */
    x = FEATURE(days, .op = RS_STEP_DELTA, .arg = 0, .window = 0);
    assert_true(x == 1.5f); /* 25.5 - 24: day 2 has no reading */
    x = FEATURE(days, .op = RS_STEP_RATE, .arg = 0, .window = 0);
    assert_true(x == 0.3f); /* 1.5 over the 5 days between the readings */
    x = FEATURE(days, .op = RS_STEP_MEAN, .arg = 0, .window = 0);
    assert_true(fabsf(x - 22.625f) < 1e-5f); /* 24 19.5 22.75 23 21 25.5 */
    x = FEATURE(days, .op = RS_STEP_MAX, .arg = 0, .window = 0);
    assert_true(x == 25.5f);
    x = FEATURE(days, .op = RS_STEP_STD, .arg = 0, .window = 0);
    assert_true(fabsf(x - 1.9458824f) < 1e-5f); /* of the same six */
    x = FEATURE(days, .op = RS_STEP_SINCE_CHANGE, .arg = 1);
    assert_true(x == 0); /* it changed just now */
    x = FEATURE(days, .op = RS_STEP_SINCE_CHANGE, .arg = 0);
    assert_true(x == (float)0.6931471805599453); /* log1p(1) */
    x = FEATURE(days, .op = RS_STEP_MISSING, .arg = 0);
    assert_true(x == 1);
    x = FEATURE(days, .op = RS_STEP_MISSING, .arg = 1);
    assert_true(x == 0);
    x = FEATURE(days, .op = RS_STEP_AGE);
    assert_true(x == (float)2.302585092994046); /* log1p(9) */
    x = FEATURE(days, .op = RS_STEP_ONEHOT, .arg = 0, .value = 1);
    assert_true(x == 1);
    x = FEATURE(days, .op = RS_STEP_ONEHOT, .arg = 0, .value = 2);
    assert_true(x == 0);
    x = FEATURE(days, .op = RS_STEP_NUMBER, .arg = 1, .transform = RS_LOG1P);
    assert_true(x == (float)1.2193539035468843); /* log1p of the float nearest 2.385 */
    x = FEATURE(days, .op = RS_STEP_COHORT, .arg = 2);
    assert_true(x == 1);
}

static void test_nothing_to_say(void **unused)
{
    (void)unused;
    static const struct sample bare[] = { { 5 * DAY, { NAN, 1 } } };
    static const struct sample old[] = { { 0, { 7.5f, 1 } }, { 40 * DAY, { NAN, 1 } } };
    float x = FEATURE(bare, .op = RS_STEP_VALUE, .arg = 0, .impute = -3.25f);
    assert_true(x == -3.25f);
    x = FEATURE(bare, .op = RS_STEP_DELTA, .arg = 0, .impute = -3.25f);
    assert_true(x == -3.25f);
    x = FEATURE(old, .op = RS_STEP_VALUE, .arg = 0, .impute = -3.25f);
    assert_true(x == 7.5f); /* a reading does not age out */
    x = FEATURE(old, .op = RS_STEP_MEAN, .arg = 0, .impute = -3.25f);
    assert_true(x == -3.25f); /* a window does */
    x = FEATURE(old, .op = RS_STEP_RATE, .arg = 0, .impute = -3.25f);
    assert_true(x == -3.25f);
    x = FEATURE(bare, .op = RS_STEP_RATE, .arg = 1, .impute = -3.25f);
    assert_true(x == 0); /* r = t */
}

static void test_counter_restart(void **unused)
{
    (void)unused;
    static const struct sample reset[] = { { 0, { 40, 900 } }, { DAY, { 38, 6 } } };
    float x = FEATURE(reset, .op = RS_STEP_DELTA, .arg = 1);
    assert_true(x == 6); /* all that it shows is new */
    x = FEATURE(reset, .op = RS_STEP_DELTA, .arg = 0);
    assert_true(x == -2); /* a gauge just fell */
}

static void test_huge_readings_stay_finite(void **unused)
{
    (void)unused;
    static const struct sample huge[] = { { 0, { -FLT_MAX, 0 } }, { 60, { FLT_MAX, FLT_MAX } } };
    static const enum rs_step_op ops[] = { RS_STEP_VALUE, RS_STEP_DELTA, RS_STEP_RATE,
                                           RS_STEP_MEAN,  RS_STEP_MAX,   RS_STEP_STD };
    for (size_t i = 0; i < RS_LEN(ops); i++)
        for (uint32_t signal = 0; signal < N_SIGNALS; signal++) {
            float x = FEATURE(huge, .op = ops[i], .arg = signal);
            assert_true(isfinite(x));
        }
}

/* Buckets are aligned to absolute time, also before 1970, and gaps longer than the window empty it. */
static void test_gaps_and_negative_times(void **unused)
{
    (void)unused;
    static const struct sample gaps[] = {
        { -3 * 3600 - 1, { 1, 10 } }, { -2 * 3600 + 5, { 2, 20 } },    { -1, { 4, 40 } },
        { 20 * 3600 + 1, { 8, 80 } }, { 20 * 3600 + 900, { 16, 81 } }, { 22 * 3600 + 3599, { 32, 99 } },
    };
    float x = feature((struct rs_step){ .op = RS_STEP_DELTA, .arg = 0, .window = 1 }, gaps, 3);
    assert_true(x == 2); /* buckets -3, -2, -1 of an hour: the first sample stands in -4 */
    x = feature((struct rs_step){ .op = RS_STEP_DELTA, .arg = 0, .window = 1 }, gaps, 4);
    assert_true(x == 0); /* a gap longer than the window */
    x = FEATURE(gaps, .op = RS_STEP_DELTA, .arg = 1, .window = 1);
    assert_true(x == 19); /* first reading of the oldest bucket, 80, not its newest */
    x = FEATURE(gaps, .op = RS_STEP_MEAN, .arg = 0, .window = 1);
    assert_true(fabsf(x - 56.0f / 3) < 1e-5f);
}

static void test_order_and_range(void **unused)
{
    (void)unused;
    struct fixture f;
    static const struct rs_step step = { .op = RS_STEP_MEAN, .arg = 0 };
    build(&f, &step, 1);
    finish(&f);
    size_t size = rs_program_state_size(&f.p);
    rs_autofree void *state = malloc(size), *before = malloc(size);
    float v[N_SIGNALS] = { 1.5f, 2 };
    rs_state_init(&f.p, state);
    assert_true(rs_state_time(&f.p, state) == RS_TIME_NONE);
    assert_int_equal(rs_state_push(&f.p, state, 1000, v), RS_OK);
    memcpy(before, state, size);
    assert_int_equal(rs_state_push(&f.p, state, 1000, v), RS_ESTALE);
    assert_int_equal(rs_state_push(&f.p, state, 999, v), RS_ESTALE);
    assert_int_equal(rs_state_push(&f.p, state, RS_STEP_TIME_MAX + 1, v), RS_EDOMAIN);
    assert_int_equal(rs_state_push(&f.p, state, INT64_MIN, v), RS_EDOMAIN);
    assert_memory_equal(before, state, size);
    assert_true(rs_state_time(&f.p, state) == 1000);
    done(&f);
}

static const struct rs_step every_step[] = {
    { .op = RS_STEP_VALUE, .arg = 0 },
    { .op = RS_STEP_VALUE, .transform = RS_LOG1P, .arg = 1 },
    { .op = RS_STEP_POSITIVE, .arg = 1 },
    { .op = RS_STEP_DELTA, .transform = RS_LOG1P, .arg = 1, .window = 0 },
    { .op = RS_STEP_DELTA, .arg = 0, .window = 1, .impute = 0.125f },
    { .op = RS_STEP_RATE, .arg = 1, .window = 0 },
    { .op = RS_STEP_MEAN, .transform = RS_LOG1P, .arg = 0, .window = 0, .impute = 3 },
    { .op = RS_STEP_MAX, .arg = 0, .window = 1 },
    { .op = RS_STEP_STD, .arg = 0, .window = 0 },
    { .op = RS_STEP_SINCE_CHANGE, .arg = 1 },
    { .op = RS_STEP_MISSING, .arg = 0 },
    { .op = RS_STEP_AGE },
    { .op = RS_STEP_ONEHOT, .arg = 0, .value = 1 },
    { .op = RS_STEP_NUMBER, .arg = 1 },
    { .op = RS_STEP_COHORT, .arg = 1 },
    { .op = RS_STEP_ABOVE, .arg = 1, .knot = 3.5f },
    { .op = RS_STEP_GREATER, .arg = 0, .knot = -2 },
    { .op = RS_STEP_PRODUCT, .arg = 0, .value = 15 },
    { .op = RS_STEP_EVENTS, .transform = RS_LOG1P, .arg = 0, .window = 0 },
    { .op = RS_STEP_SINCE_EVENT, .arg = 1, .impute = 4.5f },
    { .op = RS_STEP_RATE, .arg = 0, .window = 1 },
    { .op = RS_STEP_EVENTS, .arg = 1, .window = 1 },
};

/* A history with gaps, missing readings and a counter that restarts; the same on each call. */
static void history(struct sample *out, size_t n)
{
    uint32_t r = 12345;
    int64_t time = 1365552000;
    for (size_t i = 0; i < n; i++) {
        r = r * 1664525 + 1013904223;
        time += 1 + (int64_t)(r >> 13) % (r % 11 == 0 ? 10 * DAY : 20000);
        out[i] = (struct sample){ time, { (float)(r >> 20) / 16, (float)(i % 17 * (r >> 28)) } };
        if (r % 5 == 0)
            out[i].values[0] = NAN;
        if (r % 7 == 0)
            out[i].values[1] = -INFINITY;
    }
}

/* At each prefix of a history: the state's bytes, carried elsewhere and loaded there, give the same bits ever after as
 * the state that stayed, and pass the check. */
static void test_round_trip_at_every_prefix(void **unused)
{
    (void)unused;
    enum { N = 60, D = RS_LEN(every_step) };
    struct fixture f;
    struct sample samples[N];
    struct rs_error err = RS_ERROR_INIT;
    build(&f, every_step, D);
    finish(&f);
    history(samples, N);
    size_t size = rs_program_state_size(&f.p);
    rs_autofree void *state = malloc(size), *loaded = malloc(size);
    for (size_t cut = 0; cut <= N; cut++) {
        rs_state_init(&f.p, state);
        for (size_t i = 0; i < cut; i++) {
            if (i % 3 == 0)
                assert_int_equal(rs_state_event(&f.p, state, (uint32_t)i % 2, samples[i].time), RS_OK);
            assert_int_equal(rs_state_push(&f.p, state, samples[i].time, samples[i].values), RS_OK);
        }
        memcpy(loaded, state, size);
        if (rs_state_check(&f.p, loaded, size, &err) != RS_OK)
            fail_msg("after %zu samples: %s", cut, err.msg);
        for (size_t i = cut; i < N; i++) {
            float x[D], y[D];
            if (i % 3 == 0) {
                rs_state_event(&f.p, state, (uint32_t)i % 2, samples[i].time);
                rs_state_event(&f.p, loaded, (uint32_t)i % 2, samples[i].time);
            }
            rs_state_push(&f.p, state, samples[i].time, samples[i].values);
            rs_state_push(&f.p, loaded, samples[i].time, samples[i].values);
            rs_state_features(&f.p, state, attrs_b, x);
            rs_state_features(&f.p, loaded, attrs_b, y);
            assert_memory_equal(x, y, sizeof x);
            for (size_t j = 0; j < D; j++)
                assert_true(isfinite(x[j]));
        }
    }
    done(&f);
}

/* A plain reading of F3 and F5 over the whole history, for comparison with the buckets. */
static void naive(const struct sample *s, size_t n, const struct rs_window *w, double *delta, double *mean, double *std)
{
    int64_t last = s[n - 1].time / w->bucket_s, oldest = INT64_MAX;
    double sum = 0, square = 0, count = 0;
    float first = NAN, newest = NAN;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(s[i].values[0]))
            continue;
        newest = s[i].values[0];
        int64_t bucket = s[i].time / w->bucket_s;
        if (bucket < last - w->n)
            continue;
        if (bucket < oldest) {
            oldest = bucket;
            first = s[i].values[0];
        }
        sum += (double)s[i].values[0];
        count++;
    }
    for (size_t i = 0; i < n; i++)
        if (isfinite(s[i].values[0]) && s[i].time / w->bucket_s >= last - w->n)
            square += ((double)s[i].values[0] - sum / count) * ((double)s[i].values[0] - sum / count);
    *delta = (double)newest - (double)first;
    *mean = sum / count;
    *std = sqrt(square / count);
}

static void test_windows_against_whole_history(void **unused)
{
    (void)unused;
    enum { N = 400 };
    static const struct rs_step steps[] = { { .op = RS_STEP_DELTA, .arg = 0, .impute = 777 },
                                            { .op = RS_STEP_MEAN, .arg = 0, .impute = 777 },
                                            { .op = RS_STEP_STD, .arg = 0, .impute = 777 } };
    struct fixture f;
    struct sample samples[N];
    build(&f, steps, RS_LEN(steps));
    finish(&f);
    history(samples, N);
    rs_autofree void *state = malloc(rs_program_state_size(&f.p));
    rs_state_init(&f.p, state);
    for (size_t i = 0; i < N; i++) {
        float x[RS_LEN(steps)];
        double want[RS_LEN(steps)];
        assert_int_equal(rs_state_push(&f.p, state, samples[i].time, samples[i].values), RS_OK);
        rs_state_features(&f.p, state, attrs_b, x);
        naive(samples, i + 1, &f.windows[0], &want[0], &want[1], &want[2]);
        for (size_t j = 0; j < RS_LEN(steps); j++) {
            if (isnan(want[j]))
                assert_true(x[j] == 777);
            else
                assert_true(fabs((double)x[j] - want[j]) <= 1e-5 * (1 + fabs(want[j])));
        }
    }
    done(&f);
}

static void test_state_check_refuses(void **unused)
{
    (void)unused;
    struct fixture f, other;
    struct sample samples[40];
    struct rs_error err = RS_ERROR_INIT;
    build(&f, every_step, RS_LEN(every_step));
    finish(&f);
    build(&other, every_step, RS_LEN(every_step));
    other.windows[1].n = 3;
    finish(&other);
    history(samples, RS_LEN(samples));
    size_t size = rs_program_state_size(&f.p);
    rs_autofree uint8_t *state = malloc(size), *damaged = malloc(size);
    rs_state_init(&f.p, state);
    for (size_t i = 0; i < RS_LEN(samples); i++)
        rs_state_push(&f.p, state, samples[i].time, samples[i].values);
    assert_int_equal(rs_state_check(&f.p, state, size - 1, &err), RS_ECORRUPT);
    assert_true(rs_program_digest(&f.p) != rs_program_digest(&other.p));
    rs_autofree void *foreign = malloc(rs_program_state_size(&other.p));
    rs_state_init(&other.p, foreign);
    memcpy(damaged, state, size);
    memcpy(damaged, foreign, sizeof(uint64_t)); /* another program's digest */
    assert_int_equal(rs_state_check(&f.p, damaged, size, &err), RS_ECORRUPT);
    assert_string_equal(err.msg, "state: of another feature program");
    memcpy(damaged, state, size);
    int64_t late = samples[39].time + 1; /* the first sample after the newest one */
    memcpy(damaged + 8, &late, sizeof late);
    assert_int_equal(rs_state_check(&f.p, damaged, size, &err), RS_ECORRUPT);
    assert_string_equal(err.msg, "state: impossible sample times");
    /* whatever byte is hit: refused, or still a state that yields finite features */
    for (size_t i = 0; i < size; i++) {
        float x[RS_LEN(every_step)];
        memcpy(damaged, state, size);
        damaged[i] ^= 0xff;
        if (rs_state_check(&f.p, damaged, size, &err) != RS_OK)
            continue;
        rs_state_features(&f.p, damaged, attrs_b, x);
        for (size_t j = 0; j < RS_LEN(x); j++)
            assert_true(isfinite(x[j]));
    }
    done(&f);
    done(&other);
}

static void test_finish_refuses(void **unused)
{
    (void)unused;
    static const struct {
        struct rs_step step;
        const char *want;
    } cases[] = {
        { { .op = RS_STEP_VALUE, .arg = 2 }, "step 0: no such signal" },
        { { .op = RS_STEP_OPS }, "step 0: unknown operation" },
        { { .op = RS_STEP_MEAN, .window = 2 }, "step 0: no such window" },
        { { .op = RS_STEP_VALUE, .window = 1 }, "step 0: no such window" },
        { { .op = RS_STEP_POSITIVE, .transform = RS_LOG1P }, "step 0: impossible transform" },
        { { .op = RS_STEP_VALUE, .impute = NAN }, "step 0: its impute value is not finite" },
        { { .op = RS_STEP_VALUE, .value = 1 }, "step 0: it has a value but its operation has none" },
        { { .op = RS_STEP_ONEHOT, .arg = 0, .value = 3 }, "step 0: no such value of its attribute" },
        { { .op = RS_STEP_ONEHOT, .arg = 1 }, "step 0: its attribute is a number" },
        { { .op = RS_STEP_NUMBER, .arg = 0 }, "step 0: no such numeric attribute" },
        { { .op = RS_STEP_COHORT, .arg = 3 }, "step 0: no such cohort" },
        { { .op = RS_STEP_AGE, .arg = 1 }, "step 0: an age has no argument" },
        { { .op = RS_STEP_ABOVE, .arg = 0 }, "step 0: it is derived from a step that does not come before it" },
        { { .op = RS_STEP_EVENTS, .arg = 2 }, "step 0: no such kind of event" },
        { { .op = RS_STEP_GREATER, .knot = INFINITY }, "step 0: its knot is not finite" },
        { { .op = RS_STEP_VALUE, .knot = 1 }, "step 0: it has a knot but its operation has none" },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        struct fixture f;
        struct rs_error err = RS_ERROR_INIT;
        build(&f, &cases[i].step, 1);
        assert_int_equal(rs_program_finish(&f.p, &err), RS_EINVAL);
        assert_string_equal(err.msg, cases[i].want);
        done(&f);
    }
}

static void refuses(void (*spoil)(struct fixture *f), const char *want)
{
    struct fixture f;
    struct rs_error err = RS_ERROR_INIT;
    static const struct rs_step step = { .op = RS_STEP_VALUE };
    build(&f, &step, 1);
    spoil(&f);
    assert_int_equal(rs_program_finish(&f.p, &err), RS_EINVAL);
    assert_string_equal(err.msg, want);
    done(&f);
}
static void twin_signals(struct fixture *f)
{
    f->signals[1].name = f->signals[0].name;
}
static void latin1_signal(struct fixture *f)
{
    f->signals[0].name = "temp_\xb0"
                         "C";
}
static void unsorted_values(struct fixture *f)
{
    f->values[0] = "D";
}
static void orphan_cohort(struct fixture *f)
{
    f->cohorts[1].parent = 1;
}
static void no_cohort(struct fixture *f)
{
    f->p.n_cohorts = 0;
}
static void wide_window(struct fixture *f)
{
    f->windows[1].n = RS_BUCKETS_MAX;
}

static void test_finish_refuses_parts(void **unused)
{
    (void)unused;
    refuses(twin_signals, "two signals are named temp_c");
    refuses(latin1_signal, "signal 0: its name or unit is no text, or too long");
    refuses(unsorted_values, "attribute 0: its values are not in ascending order");
    refuses(orphan_cohort, "cohort 1: its parent does not come before it");
    refuses(no_cohort, "0 cohorts, 1 to 65536 needed");
    refuses(wide_window, "window 1: 1 to 63 buckets needed");
}

static void test_derived_steps(void **unused)
{
    (void)unused;
    static const struct rs_step steps[] = {
        { .op = RS_STEP_VALUE, .arg = 0 },
        { .op = RS_STEP_ABOVE, .arg = 0, .knot = 2.25f },
        { .op = RS_STEP_GREATER, .arg = 1, .knot = 0.5f },
        { .op = RS_STEP_PRODUCT, .arg = 1, .value = 0 },
        { .op = RS_STEP_ABOVE, .arg = 3, .knot = -1 },
    };
    struct fixture f;
    float x[RS_LEN(steps)], values[N_SIGNALS] = { 3.5f, 0 };
    build(&f, steps, RS_LEN(steps));
    finish(&f);
    rs_autofree void *state = malloc(rs_program_state_size(&f.p));
    rs_state_init(&f.p, state);
    assert_int_equal(rs_state_push(&f.p, state, 1000, values), RS_OK);
    rs_state_features(&f.p, state, attrs_b, x);
    assert_true(x[1] == 1.25f && x[2] == 1 && x[3] == 4.375f && x[4] == 5.375f); /* 3.5 - 2.25; 1.25 * 3.5 */
    values[0] = 2;
    assert_int_equal(rs_state_push(&f.p, state, 2000, values), RS_OK);
    rs_state_features(&f.p, state, attrs_b, x);
    assert_true(x[1] == 0 && x[2] == 0 && x[3] == 0 && x[4] == 1);
    done(&f);
}

/* Events of a window of 2 h before the sample's own hour, and the days since the newest. */
static void test_events(void **unused)
{
    (void)unused;
    static const struct rs_step steps[] = {
        { .op = RS_STEP_EVENTS, .arg = 1, .window = 1 },
        { .op = RS_STEP_SINCE_EVENT, .arg = 1, .impute = 9 },
        { .op = RS_STEP_EVENTS, .arg = 0, .window = 0, .transform = RS_LOG1P },
    };
    static const struct {
        int64_t event[2], sample; /* of kind 1; 0: none */
        float n, since_s;         /* < 0: none so far */
    } cases[] = {
        { { 0, 0 }, 3600, 0, -1 },     { { 3700, 3700 }, 3800, 2, 100 }, { { 7300, 0 }, 7300, 3, 0 },
        { { 0, 0 }, 14399, 3, 7099 },  { { 0, 0 }, 14400, 1, 7100 },     { { 90000, 0 }, 50000, 0, 42700 },
        { { 0, 0 }, 89999, 0, 82699 }, /* the event came in early: not seen by samples before its hour... */
        { { 0, 0 }, 90001, 1, 1 },
    };
    struct fixture f;
    float x[RS_LEN(steps)], values[N_SIGNALS] = { 1, 1 };
    build(&f, steps, RS_LEN(steps));
    finish(&f);
    rs_autofree void *state = malloc(rs_program_state_size(&f.p));
    rs_state_init(&f.p, state);
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        for (size_t k = 0; k < 2; k++)
            if (cases[i].event[k])
                assert_int_equal(rs_state_event(&f.p, state, 1, cases[i].event[k]), RS_OK);
        assert_int_equal(rs_state_push(&f.p, state, cases[i].sample, values), RS_OK);
        rs_state_features(&f.p, state, attrs_b, x);
        assert_true(x[0] == cases[i].n);
        assert_true(x[1] == (cases[i].since_s < 0 ? 9 : (float)log1p((double)cases[i].since_s / (double)DAY)));
        assert_true(x[2] == 0);
    }
    assert_int_equal(rs_state_event(&f.p, state, 1, 89999), RS_ESTALE);
    assert_int_equal(rs_state_event(&f.p, state, 2, 99999), RS_EINVAL);
    assert_int_equal(rs_state_event(&f.p, state, 0, RS_STEP_TIME_MAX + 1), RS_EDOMAIN);
    assert_int_equal(rs_state_check(&f.p, state, rs_program_state_size(&f.p), NULL), RS_OK);
    done(&f);
}

/* What a fleet of the usual size must hold in memory: 40 signals, each with its value and its change over 7 days. */
static void test_state_is_small(void **unused)
{
    (void)unused;
    struct rs_signal signals[40];
    char names[40][8];
    struct rs_step steps[80];
    struct rs_window week = { DAY, 7 };
    struct rs_cohort all = { .name = "all" };
    for (uint32_t i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "s%u", i);
        signals[i] = (struct rs_signal){ names[i], "", RS_COUNTER };
        steps[i] = (struct rs_step){ .op = RS_STEP_VALUE, .arg = i };
        steps[40 + i] = (struct rs_step){ .op = RS_STEP_DELTA, .arg = i };
    }
    struct rs_program p = { .signals = signals,
                            .n_signals = 40,
                            .windows = &week,
                            .n_windows = 1,
                            .cohorts = &all,
                            .n_cohorts = 1,
                            .steps = steps,
                            .n_steps = 80 };
    assert_int_equal(rs_program_finish(&p, NULL), RS_OK);
    assert_int_equal(rs_program_state_size(&p), 24 + 40 * 4 + 40 * 8 * 4); /* head, values, eight buckets of each */
    struct rs_program owned = { .layout = p.layout };
    rs_program_clear(&owned);
}

/* The same with six kinds of events, each counted in 7 and 30 days and with the time since: what a daemon keeps of an
 * entity is below 2 KB, with the 48 bytes for drift behind it (executor/telemetry_impl.h). */
static void test_state_with_events_is_small(void **unused)
{
    (void)unused;
    struct rs_signal signals[40];
    char names[40][8], *events[6] = { "failure", "failure/disk", "repair", "event/a", "event/b", "any" };
    struct rs_step steps[80 + 18];
    struct rs_window windows[2] = { { DAY, 7 }, { DAY, 30 } };
    struct rs_cohort all = { .name = "all" };
    for (uint32_t i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "s%u", i);
        signals[i] = (struct rs_signal){ names[i], "", RS_COUNTER };
        steps[i] = (struct rs_step){ .op = RS_STEP_VALUE, .arg = i };
        steps[40 + i] = (struct rs_step){ .op = RS_STEP_DELTA, .arg = i };
    }
    for (uint32_t i = 0; i < 6; i++) {
        steps[80 + 3 * i] = (struct rs_step){ .op = RS_STEP_EVENTS, .arg = i };
        steps[81 + 3 * i] = (struct rs_step){ .op = RS_STEP_EVENTS, .arg = i, .window = 1 };
        steps[82 + 3 * i] = (struct rs_step){ .op = RS_STEP_SINCE_EVENT, .arg = i };
    }
    struct rs_program p = { .signals = signals,
                            .n_signals = 40,
                            .windows = windows,
                            .n_windows = 2,
                            .cohorts = &all,
                            .n_cohorts = 1,
                            .events = events,
                            .n_events = 6,
                            .steps = steps,
                            .n_steps = 80 + 18 };
    assert_int_equal(rs_program_finish(&p, NULL), RS_OK);
    /* two times; the newest bucket, and 31 counts in whole multiples of 8 bytes */
    assert_int_equal(rs_program_state_size(&p), 1464 + 6 * (16 + 8 + 64));
    assert_true(rs_program_state_size(&p) + 48 < 2048);
    struct rs_program owned = { .layout = p.layout };
    rs_program_clear(&owned);
}

/* By hand, F18: events on days 0, 20, 27 and 30, and a sample on day 30; 7 days and 30 days share their buckets. */
static void test_windows_share_buckets(void **unused)
{
    (void)unused;
    struct fixture f;
    struct rs_error err = RS_ERROR_INIT;
    static const struct rs_step steps[] = { { .op = RS_STEP_EVENTS }, { .op = RS_STEP_EVENTS, .window = 1 } };
    static const int64_t days[] = { 0, 20, 27, 30 };
    static const float values[N_SIGNALS] = { 1, 1 };
    float x[2];
    build(&f, steps, 2);
    f.windows[1] = (struct rs_window){ DAY, 30 };
    assert_int_equal(rs_program_finish(&f.p, &err), RS_OK);
    assert_int_equal(rs_program_state_size(&f.p), 24 + 8 + 64);
    rs_autofree void *state = calloc(1, rs_program_state_size(&f.p));
    rs_state_init(&f.p, state);
    for (size_t i = 0; i < RS_LEN(days); i++)
        assert_int_equal(rs_state_event(&f.p, state, 0, days[i] * DAY), RS_OK);
    assert_int_equal(rs_state_push(&f.p, state, 30 * DAY, values), RS_OK);
    rs_state_features(&f.p, state, NULL, x);
    assert_true(x[0] == 2 && x[1] == 4);
    assert_int_equal(rs_state_check(&f.p, state, rs_program_state_size(&f.p), &err), RS_OK);
    assert_int_equal(rs_state_push(&f.p, state, 31 * DAY, values), RS_OK);
    rs_state_features(&f.p, state, NULL, x);
    assert_true(x[0] == 2 && x[1] == 3); /* day 0 has left */
    for (int i = 0; i < 70000; i++)
        rs_state_event(&f.p, state, 0, 31 * DAY);
    rs_state_features(&f.p, state, NULL, x);
    assert_true(x[0] == 65535 + 2); /* counts of one bucket end there */
    done(&f);
}

static void test_names(void **unused)
{
    (void)unused;
    static const char *const want[] = {
        "temp_c",
        "log1p(errors)",
        "errors>0",
        "log1p(delta[7d](errors))",
        "delta[2h](temp_c)",
        "rate[7d](errors)",
        "mean[7d](log1p(temp_c))",
        "max[2h](temp_c)",
        "std[7d](temp_c)",
        "since_change(errors)",
        "missing(temp_c)",
        "age",
        "model=B",
        "bytes",
        "model=B",
        "(log1p(errors)-3.5)+",
        "temp_c>-2",
        "temp_c * (log1p(errors)-3.5)+",
        "log1p(events[7d](failure))",
        "since(event/reboot)",
        "rate[2h](temp_c)",
        "events[2h](event/reboot)",
    };
    struct fixture f;
    char buf[64];
    build(&f, every_step, RS_LEN(every_step));
    finish(&f);
    for (uint32_t i = 0; i < RS_LEN(want); i++)
        assert_string_equal(rs_step_name(&f.p, i, buf, sizeof buf), want[i]);
    assert_string_equal(rs_step_name(&f.p, 3, buf, 8), "log1p(d");
    done(&f);
}

static void test_binding_and_cohorts(void **unused)
{
    (void)unused;
    struct fixture f;
    static const struct rs_step step = { .op = RS_STEP_VALUE };
    build(&f, &step, 1);
    finish(&f);
    struct rs_attr_value c = rs_attr_bind(&f.attrs[0], "C"), none = rs_attr_bind(&f.attrs[0], "Z"),
                         empty = rs_attr_bind(&f.attrs[0], ""), null = rs_attr_bind(&f.attrs[0], NULL),
                         number = rs_attr_bind(&f.attrs[1], "1e12"), word = rs_attr_bind(&f.attrs[1], "12 GB");
    assert_int_equal(c.code, 2);
    assert_int_equal(none.code, RS_CODE_UNSEEN);
    assert_int_equal(empty.code, -1);
    assert_int_equal(null.code, -1);
    assert_true(number.number == 1e12f && number.code == -1);
    assert_true(isnan(word.number));
    struct rs_attr_value a[2] = { c, number };
    assert_int_equal(rs_program_cohort(&f.p, attrs_b), 2); /* the deepest */
    assert_int_equal(rs_program_cohort(&f.p, a), 0);
    uint32_t attr = 7;
    assert_false(rs_program_fallback(&f.p, a, &attr));
    assert_int_equal(attr, 7);
    a[0] = empty; /* missing is not unknown */
    assert_false(rs_program_fallback(&f.p, a, NULL));
    a[0] = none;
    assert_true(rs_program_fallback(&f.p, a, &attr));
    assert_int_equal(attr, 0);
    done(&f);
}

/* want: F16 and F17 by hand; what leaves the floats ends at the greatest of them */
static void test_derived(void **state)
{
    (void)state;
    static const struct {
        enum rs_step_op op;
        float knot, a, b, want;
    } cases[] = {
        { RS_STEP_ABOVE, 2.25f, 3.5f, 9, 1.25f },        { RS_STEP_ABOVE, 2.25f, 2.25f, 9, 0 },
        { RS_STEP_ABOVE, -FLT_MAX, 3e38f, 0, FLT_MAX },  { RS_STEP_GREATER, 2.25f, 2.5f, 9, 1 },
        { RS_STEP_GREATER, 2.25f, 2.25f, 9, 0 },         { RS_STEP_PRODUCT, 7, 2.5f, -1.5f, -3.75f },
        { RS_STEP_PRODUCT, 0, 3e20f, -3e20f, -FLT_MAX },
    };
    for (size_t i = 0; i < RS_LEN(cases); i++) {
        float got = rs_derived(cases[i].op, cases[i].knot, cases[i].a, cases[i].b);
        if (got != cases[i].want)
            fail_msg("case %zu: %g, wanted %g", i, (double)got, (double)cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derived),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_nothing_to_say),
        cmocka_unit_test(test_counter_restart),
        cmocka_unit_test(test_huge_readings_stay_finite),
        cmocka_unit_test(test_gaps_and_negative_times),
        cmocka_unit_test(test_order_and_range),
        cmocka_unit_test(test_round_trip_at_every_prefix),
        cmocka_unit_test(test_windows_against_whole_history),
        cmocka_unit_test(test_state_check_refuses),
        cmocka_unit_test(test_finish_refuses),
        cmocka_unit_test(test_finish_refuses_parts),
        cmocka_unit_test(test_derived_steps),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_state_is_small),
        cmocka_unit_test(test_state_with_events_is_small),
        cmocka_unit_test(test_windows_share_buckets),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_binding_and_cohorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

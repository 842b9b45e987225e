/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events on their way into features, and labels around a repair, on a small fleet that is built here. */
#include "predictor/scan.c"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "datasets/builder.h"

#define T0 (20000 * RS_DAY_S) /* a midnight */
static char path[] = "/tmp/test_scan.XXXXXX";

/* Host b: samples on days 0 to 20, but while it is out of service (from day 5 to noon of day 6); an error at the very
 * time of the sample of day 3, another at noon of day 9. Host a has samples and nothing else. */
static void build(void)
{
    struct rs_builder_options opt = { .source = "test", .is_quiet = true };
    struct rs_builder_counts counts;
    RS_AUTO(rs_builder) *b = NULL;
    assert_int_equal(rs_builder_new(path, &opt, &b, NULL), RS_OK);
    for (int64_t day = 0; day <= 20; day++) {
        struct rs_row row = { .id = "a", .id_len = 1, .time = T0 + day * RS_DAY_S, .label = -1 };
        assert_int_equal(rs_builder_row(b, &row, NULL), RS_OK);
        row.id = "b";
        assert_int_equal(rs_builder_row(b, &row, NULL), RS_OK);
    }
    assert_int_equal(rs_builder_event(b, "b", T0 + 3 * RS_DAY_S, "error", NULL), RS_OK);
    assert_int_equal(rs_builder_event(b, "b", T0 + 9 * RS_DAY_S + RS_DAY_S / 2, "error", NULL), RS_OK);
    assert_int_equal(rs_builder_failure(b, "b", T0 + 5 * RS_DAY_S, T0 + 6 * RS_DAY_S + RS_DAY_S / 2, "disk", NULL),
                     RS_OK);
    assert_int_equal(rs_builder_finish(b, &counts, NULL), RS_OK);
}

/* count of errors in the week, time since an error, and since a failure */
static void make_program(struct rs_program *p)
{
    *p = (struct rs_program){ 0 };
    p->windows = rs_alloc(1, sizeof *p->windows);
    p->windows[p->n_windows++] = (struct rs_window){ .bucket_s = RS_DAY_S, .n = 7 };
    p->cohorts = rs_alloc(1, sizeof *p->cohorts);
    p->cohorts[p->n_cohorts++].name = strdup("all");
    p->events = rs_alloc(2, sizeof *p->events);
    p->events[p->n_events++] = strdup("event/error");
    p->events[p->n_events++] = strdup("failure");
    p->steps = rs_alloc(3, sizeof *p->steps);
    p->steps[p->n_steps++] = (struct rs_step){ .op = RS_STEP_EVENTS, .arg = 0 };
    p->steps[p->n_steps++] = (struct rs_step){ .op = RS_STEP_SINCE_EVENT, .arg = 0, .impute = -1 };
    p->steps[p->n_steps++] = (struct rs_step){ .op = RS_STEP_SINCE_EVENT, .arg = 1, .impute = -1 };
    assert_int_equal(rs_program_finish(p, NULL), RS_OK);
}

/* By hand (math.md F18, F19): the error of day 3 is known to the sample of day 3, and within the window of seven days
 * behind the bucket of the sample up to day 10; that of day 9 first shows on day 10. */
static void check_b(int64_t day, const float *x)
{
    double n = (day >= 3 && day <= 10) + (day >= 10 && day <= 16);
    double since = day < 3 ? -1 : log1p(day < 10 ? (double)day - 3 : (double)day - 9.5);
    double failed = day < 5 ? -1 : log1p((double)day - 5);
    assert_true((double)x[0] == n);
    assert_true(fabs((double)x[1] - since) < 1e-6 && fabs((double)x[2] - failed) < 1e-6);
}

/* Horizon 2 days, observation ends on day 20: unknown while out of service (days 5 and 6) and after day 18. */
static int label_of_b(int64_t day)
{
    return day == 5 || day == 6 || day > 18 ? RS_LABEL_CENSORED : day == 3 || day == 4;
}

static void test_events_and_repair(void **unused)
{
    (void)unused;
    struct rs_program p;
    struct rs_scan_options opt = { .horizon_s = 2 * RS_DAY_S, .kind = RS_KIND_ALL };
    struct rs_scan_row row;
    make_program(&p);
    build();
    {
        RS_AUTO(rs_fleet) *f = NULL;
        RS_AUTO(rs_scan) *s = NULL;
        size_t n = 0;
        assert_int_equal(rs_fleet_open(path, &f, NULL), RS_OK);
        assert_int_equal(rs_scan_new(f, &p, &opt, &s, NULL), RS_OK);
        for (; rs_scan_step(s, &row, NULL) == RS_CONTINUE; n++) {
            int64_t day = (row.time - T0) / RS_DAY_S;
            if (rs_streq(row.id, "b")) {
                check_b(day, row.x);
                assert_int_equal(row.label, label_of_b(day));
            } else {
                assert_true(row.x[0] == 0 && row.x[1] == -1 && row.x[2] == -1);
                assert_int_equal(row.label, day > 18 ? RS_LABEL_CENSORED : 0);
            }
        }
        assert_int_equal(n, 42);
    }
    rs_program_clear(&p);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_events_and_repair) };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model as text, for people. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/cli.h"
#include "common/clock.h"
#include "predictor/dump.h"

enum { HEAVIEST = 5 /* weights shown of each cohort's delta */ };

static void print_meta(const char *path, const struct rs_model *m)
{
    const struct rs_model_meta *t = &m->meta;
    char horizon[RS_TIME_MAX], first[RS_TIME_MAX], last[RS_TIME_MAX];
    printf("%s: model 0x%016" PRIx64 ", format %d\n\n", path, rs_model_digest(m), RS_MODEL_VERSION);
    printf("  written by    %s\n", t->tool);
    printf("  options       %s\n", t->options);
    printf("  seed          %" PRIu64 "\n", t->seed);
    printf("  data digest   0x%016" PRIx64 "\n", t->data_digest);
    printf("  horizon       %s\n", rs_duration_format((double)t->horizon_s, horizon));
    printf("  trained on    %" PRIu64 " samples of %" PRIu64 " entities, %s to %s\n", t->n_rows, t->n_entities,
           rs_time_format(t->span_first, first), rs_time_format(t->span_last, last));
    printf("  positive      %" PRIu64 " samples of %" PRIu64 " failing entities, %.4g %%\n", t->n_positive,
           t->n_failing, 100 * t->base_rate);
    printf("  mitigated     %" PRIu64 " samples without a label\n", t->n_mitigated);
    if (t->control_share > 0)
        printf("  control       %.4g %% left alone on purpose\n", 100 * t->control_share);
    else
        printf("  control       none declared\n");
    printf("  threshold     %.6g\n", t->threshold);
    printf("  learner       %s\n", rs_learner_name(m->learner));
    printf("  bias          %.9g\n", m->bias);
}

static void print_calibration(const struct rs_calibrator *c)
{
    if (c->kind == RS_PLATT) {
        printf("  calibration   p = 1 / (1 + exp(-(a z + b))), a = %.9g, b = %.9g\n", c->a, c->b);
        return;
    }
    if (c->kind == RS_BETA) {
        printf("  calibration   p = 1 / (1 + exp(-(a ln s - b ln(1 - s) + c))), s = 1 / (1 + exp(-z)), a = %.9g, "
               "b = %.9g, c = %.9g\n",
               c->a, c->b, c->c);
        return;
    }
    printf("  calibration   isotonic, straight lines between %" PRIu32 " knots (z, p)\n", c->n);
    for (uint32_t i = 0; i < c->n; i++)
        printf("                %14.9g %14.9g\n", c->z[i], c->p[i]);
}

static void print_attrs(const struct rs_program *p)
{
    printf("\nAttributes: %" PRIu32 "\n", p->n_attrs);
    for (uint32_t i = 0; i < p->n_attrs; i++) {
        const struct rs_attr *a = &p->attrs[i];
        const char *fallback = rs_attr_is_in_cohorts(p, i) ? "; any other falls back to the parent cohort" : "";
        if (a->is_number)
            printf("  %-40s number\n", a->name);
        else
            printf("  %-40s %" PRIu32 " values%s\n", a->name, a->n_values, fallback);
        for (uint32_t v = 0; v < a->n_values; v++)
            printf("    %s\n", a->values[v]);
    }
}

static void print_inputs(const struct rs_program *p)
{
    printf("\nSignals: %" PRIu32 "\n", p->n_signals);
    for (uint32_t i = 0; i < p->n_signals; i++)
        printf("  %-40s %-8s %s\n", p->signals[i].name, rs_signal_kind_name(p->signals[i].kind), p->signals[i].unit);
    print_attrs(p);
    printf("\nEvents: %" PRIu32 "\n", p->n_events);
    for (uint32_t i = 0; i < p->n_events; i++)
        printf("  %s\n", p->events[i]);
    printf("\nWindows: %" PRIu32 "\n", p->n_windows);
    for (uint32_t i = 0; i < p->n_windows; i++) {
        char span[RS_TIME_MAX], bucket[RS_TIME_MAX];
        printf("  %s in buckets of %s\n", rs_duration_format((double)p->windows[i].bucket_s * p->windows[i].n, span),
               rs_duration_format((double)p->windows[i].bucket_s, bucket));
    }
}

static int depth_of(const struct rs_program *p, uint32_t cohort)
{
    int depth = 0;
    for (; cohort; cohort = p->cohorts[cohort].parent)
        depth++;
    return depth;
}

static void print_cohorts(const struct rs_model *m)
{
    const struct rs_program *p = &m->program;
    printf("\nCohorts: %-38" PRIu32 " %10s %10s %12s %10s\n", p->n_cohorts, "entities", "failing", "samples",
           "positive");
    for (uint32_t i = 0; i < p->n_cohorts; i++) {
        const struct rs_cohort_support *s = &m->support[i];
        int indent = 2 * depth_of(p, i);
        printf("  %*s%-*s %10" PRIu64 " %10" PRIu64 " %12" PRIu64 " %10" PRIu64 "\n", indent, "",
               RS_MAX(45 - indent, 1), p->cohorts[i].name, s->n_entities, s->n_failing, s->n_rows, s->n_positive);
    }
}

/* The heaviest of what a cohort adds to its parent's weights. */
static void print_delta(const struct rs_model *m, const struct rs_cohort_delta *d, struct rs_ranked_step *ranked)
{
    uint32_t n = m->program.n_steps;
    printf("  %-45s bias %+.6g\n", m->program.cohorts[d->cohort].name, d->bias);
    if (!d->weight)
        return;
    rs_rank_steps(m, d->weight, ranked);
    for (uint32_t i = 0; i < n && i < HEAVIEST && ranked[i].weight != 0; i++) {
        char name[RS_NAME_MAX * 2];
        printf("    %+12.6f  %s\n", ranked[i].weight, rs_step_name(&m->program, ranked[i].step, name, sizeof name));
    }
}

static enum rs_status print_deltas(const struct rs_model *m, struct rs_error *err)
{
    if (!m->n_deltas)
        return RS_OK;
    rs_autofree struct rs_ranked_step *ranked = rs_alloc(m->program.n_steps, sizeof *ranked);
    if (!ranked)
        return rs_error_set(err, RS_ENOMEM, "%u steps: out of memory", m->program.n_steps);
    printf("\nDeltas: %" PRIu32
           " cohorts differ from their parent; of each the bias and the %d heaviest weights x sd\n",
           m->n_deltas, HEAVIEST);
    for (uint32_t i = 0; i < m->n_deltas; i++)
        print_delta(m, &m->deltas[i], ranked);
    return RS_OK;
}

static void print_vectors(const struct rs_model *m)
{
    const struct rs_rbf *r = &m->rbf;
    uint32_t n_up = 0;
    if (m->learner != RS_RBF_SVM)
        return;
    for (uint32_t k = 0; k < r->n_sv; k++)
        n_up += r->coef[k] > 0;
    printf("\nSupport vectors: %" PRIu32 ", %" PRIu32 " of them push the risk up; gamma %.9g\n", r->n_sv, n_up,
           r->gamma);
}

/* Where a share of the training rows lies below, to the edge. */
static float quantile(const struct rs_reference *r, double share)
{
    double sum = r->share[0];
    uint32_t i = 0;
    while (sum < share && i + 1 < r->n_edges)
        sum += r->share[++i];
    return r->edge[i];
}

static void print_reference(const char *name, const struct rs_reference *r)
{
    printf("  %-40s %9.3f %%", name, 100 * r->missing);
    if (r->n_edges)
        printf(" %14.6g %14.6g %14.6g\n", (double)r->edge[0], (double)quantile(r, 0.5),
               (double)r->edge[r->n_edges - 1]);
    else
        printf("  unknown\n");
}

static void print_references(const struct rs_model *m)
{
    if (!m->refs && !m->score_ref.n_edges)
        return;
    printf("\nReferences: %-29s %10s %14s %14s %14s\n", "", "missing", "lowest edge", "middle", "highest edge");
    for (uint32_t i = 0; m->refs && i < m->program.n_signals; i++)
        print_reference(m->program.signals[i].name, &m->refs[i]);
    print_reference("(the risk)", &m->score_ref);
}

static void print_steps(const struct rs_model *m, const struct rs_ranked_step *ranked)
{
    printf("\nFeatures: %" PRIu32 "%s\n", m->program.n_steps,
           m->learner == RS_RBF_SVM ? "" : ", by weight of one standard deviation");
    printf("  %12s %14s %14s %14s %14s  %s\n", "weight x sd", "weight", "mean", "sd", "where missing", "name");
    for (uint32_t i = 0; i < m->program.n_steps; i++) {
        uint32_t k = ranked[i].step;
        char name[RS_NAME_MAX * 2];
        printf("  %12.6f %14.6g %14.6g %14.6g %14.6g  %s\n", ranked[i].weight, m->weight[k], m->mean[k], m->scale[k],
               (double)m->program.steps[k].impute, rs_step_name(&m->program, k, name, sizeof name));
    }
}

enum rs_status rs_dump_text(const struct rs_dump *d, struct rs_error *err)
{
    print_meta(d->path, d->m);
    print_calibration(&d->m->calibrator);
    print_inputs(&d->m->program);
    print_cohorts(d->m);
    print_steps(d->m, d->ranked);
    enum rs_status st = print_deltas(d->m, err);
    if (st < 0)
        return st;
    print_vectors(d->m);
    print_references(d->m);
    return rs_cli_flush(err);
}

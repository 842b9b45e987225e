/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat dump: everything that a model file holds, as text or JSON. */
#include "predictor/cmd.h"

#include <inttypes.h>
#include <math.h>

#include "common/clock.h"
#include "models/model.h"
#include "predictor/json.h"

static const char *learner_name(enum rs_learner learner)
{
    static const char *const names[] = {
        [RS_LOGISTIC] = "logistic", [RS_LINEAR_SVM] = "linear-svm", [RS_RBF_SVM] = "rbf-svm"
    };
    return names[learner];
}

static const char *kind_name(enum rs_signal_kind kind)
{
    return kind == RS_COUNTER ? "counter" : "gauge";
}

/* Steps by the weight of one standard deviation, heaviest first. */
struct ranked_step {
    uint32_t step;
    double weight; /* in standard units */
};

static int by_weight_down(const void *pa, const void *pb)
{
    const struct ranked_step *a = pa, *b = pb;
    double wa = fabs(a->weight), wb = fabs(b->weight);
    if (wa != wb)
        return wa > wb ? -1 : 1;
    return a->step < b->step ? -1 : a->step > b->step;
}

static enum rs_status rank_steps(const struct rs_model *m, struct ranked_step **out, struct rs_error *err)
{
    struct ranked_step *ranked = rs_alloc(m->program.n_steps, sizeof *ranked);
    if (!ranked)
        return rs_error_set(err, RS_ENOMEM, "%u steps: out of memory", m->program.n_steps);
    for (uint32_t i = 0; i < m->program.n_steps; i++)
        ranked[i] = (struct ranked_step){ i, m->weight[i] * m->scale[i] };
    qsort(ranked, m->program.n_steps, sizeof *ranked, by_weight_down);
    *out = ranked;
    return RS_OK;
}

/* ---- text ---- */

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
    printf("  threshold     %.6g\n", t->threshold);
    printf("  learner       %s\n", learner_name(m->learner));
    printf("  calibration   p = 1 / (1 + exp(-(a z + b))), a = %.9g, b = %.9g\n", m->calibrator.a, m->calibrator.b);
    printf("  bias          %.9g\n", m->bias);
}

static void print_inputs(const struct rs_program *p)
{
    printf("\nSignals: %" PRIu32 "\n", p->n_signals);
    for (uint32_t i = 0; i < p->n_signals; i++)
        printf("  %-40s %-8s %s\n", p->signals[i].name, kind_name(p->signals[i].kind), p->signals[i].unit);
    printf("\nAttributes: %" PRIu32 "\n", p->n_attrs);
    for (uint32_t i = 0; i < p->n_attrs; i++) {
        const struct rs_attr *a = &p->attrs[i];
        if (a->is_number)
            printf("  %-40s number\n", a->name);
        else
            printf("  %-40s %" PRIu32 " values\n", a->name, a->n_values);
        for (uint32_t v = 0; v < a->n_values; v++)
            printf("    %s\n", a->values[v]);
    }
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

static void print_steps(const struct rs_model *m, const struct ranked_step *ranked)
{
    printf("\nFeatures: %" PRIu32 ", by weight of one standard deviation\n", m->program.n_steps);
    printf("  %12s %14s %14s %14s %14s  %s\n", "weight x sd", "weight", "mean", "sd", "where missing", "name");
    for (uint32_t i = 0; i < m->program.n_steps; i++) {
        uint32_t k = ranked[i].step;
        char name[RS_NAME_MAX * 2];
        printf("  %12.6f %14.6g %14.6g %14.6g %14.6g  %s\n", ranked[i].weight, m->weight[k], m->mean[k], m->scale[k],
               (double)m->program.steps[k].impute, rs_step_name(&m->program, k, name, sizeof name));
    }
}

static enum rs_status print_text(const char *path, const struct rs_model *m, const struct ranked_step *ranked,
                                 struct rs_error *err)
{
    print_meta(path, m);
    print_inputs(&m->program);
    print_cohorts(m);
    print_steps(m, ranked);
    return fflush(stdout) == 0 ? RS_OK : rs_error_errno(err, RS_EIO, "stdout");
}

/* ---- JSON ---- */

static json_t *meta_json(const struct rs_model *m)
{
    const struct rs_model_meta *t = &m->meta;
    return json_pack("{s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:f, s:f}", "tool", t->tool, "options",
                     t->options, "seed", (json_int_t)t->seed, "data_digest", rs_json_digest(t->data_digest),
                     "horizon_s", (json_int_t)t->horizon_s, "span_first", rs_json_time(t->span_first), "span_last",
                     rs_json_time(t->span_last), "samples", (json_int_t)t->n_rows, "positive_samples",
                     (json_int_t)t->n_positive, "entities", (json_int_t)t->n_entities, "failing_entities",
                     (json_int_t)t->n_failing, "base_rate", t->base_rate, "threshold", t->threshold);
}

static json_t *signals_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_signals; i++)
        list = rs_json_append(list, json_pack("{s:s, s:s, s:s}", "name", p->signals[i].name, "unit", p->signals[i].unit,
                                              "kind", kind_name(p->signals[i].kind)));
    return list;
}

static json_t *values_json(const struct rs_attr *a)
{
    json_t *list = json_array();
    for (uint32_t v = 0; v < a->n_values; v++)
        list = rs_json_append(list, json_string(a->values[v]));
    return list;
}

static json_t *attrs_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_attrs; i++)
        list = rs_json_append(list, json_pack("{s:s, s:b, s:o}", "name", p->attrs[i].name, "is_number",
                                              (int)p->attrs[i].is_number, "values", values_json(&p->attrs[i])));
    return list;
}

static json_t *windows_json(const struct rs_program *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_windows; i++)
        list = rs_json_append(list, json_pack("{s:I, s:I}", "bucket_s", (json_int_t)p->windows[i].bucket_s, "buckets",
                                              (json_int_t)p->windows[i].n));
    return list;
}

static json_t *cohorts_json(const struct rs_model *m)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->program.n_cohorts; i++) {
        const struct rs_cohort *c = &m->program.cohorts[i];
        const struct rs_cohort_support *s = &m->support[i];
        list = rs_json_append(list, json_pack("{s:s, s:o, s:I, s:I, s:I, s:I}", "name", c->name, "parent",
                                              i ? json_string(m->program.cohorts[c->parent].name) : json_null(),
                                              "entities", (json_int_t)s->n_entities, "failing_entities",
                                              (json_int_t)s->n_failing, "samples", (json_int_t)s->n_rows,
                                              "positive_samples", (json_int_t)s->n_positive));
    }
    return list;
}

static json_t *steps_json(const struct rs_model *m, const struct ranked_step *ranked)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->program.n_steps; i++) {
        uint32_t k = ranked[i].step;
        char name[RS_NAME_MAX * 2];
        list = rs_json_append(list, json_pack("{s:I, s:s, s:f, s:f, s:f, s:f, s:f}", "index", (json_int_t)k, "name",
                                              rs_step_name(&m->program, k, name, sizeof name), "standard_weight",
                                              ranked[i].weight, "weight", m->weight[k], "mean", m->mean[k], "scale",
                                              m->scale[k], "impute", (double)m->program.steps[k].impute));
    }
    return list;
}

static json_t *model_json(const char *path, const struct rs_model *m, const struct ranked_step *ranked)
{
    return json_pack("{s:s, s:o, s:I, s:o, s:s, s:f, s:{s:f, s:f}, s:o, s:o, s:o, s:o, s:o}", "model", path, "digest",
                     rs_json_digest(rs_model_digest(m)), "format", (json_int_t)RS_MODEL_VERSION, "meta", meta_json(m),
                     "learner", learner_name(m->learner), "bias", m->bias, "calibration", "a", m->calibrator.a, "b",
                     m->calibrator.b, "signals", signals_json(&m->program), "attributes", attrs_json(&m->program),
                     "windows", windows_json(&m->program), "cohorts", cohorts_json(m), "features",
                     steps_json(m, ranked));
}

static enum rs_status dump(const char *path, bool is_json, struct rs_error *err)
{
    RS_AUTO_STRUCT(rs_model) *m = NULL;
    rs_autofree struct ranked_step *ranked = NULL;
    enum rs_status st = rs_model_load(path, &m, err);
    if (st == RS_OK)
        st = rank_steps(m, &ranked, err);
    if (st < 0)
        return st;
    return is_json ? rs_json_print(model_json(path, m, ranked), err) : print_text(path, m, ranked, err);
}

int rs_cmd_dump(int argc, char **argv, const struct rs_verb *self)
{
    bool is_json = false;
    const struct rs_opt opts[] = {
        { "json", 0, RS_OPT_FLAG, &is_json, NULL, "Print JSON." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    int first;
    enum rs_status st = rs_cli_parse(argc, argv, self, opts, &first, &err);
    if (st == RS_CONTINUE)
        return RS_EXIT_OK;
    if (st == RS_OK && argc - first != 1)
        st = rs_error_set(&err, RS_EUSAGE, "one model file needed, %d given; see --help", argc - first);
    if (st == RS_OK)
        st = dump(argv[first], is_json, &err);
    return st < 0 ? rs_cli_fail("dump", &err) : RS_EXIT_OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat dump: everything that a model file holds, as text (dump_text.c) or JSON (dump_json.c). */
#include <math.h>

#include "predictor/cmd.h"
#include "predictor/dump.h"

const char *rs_learner_name(enum rs_learner learner)
{
    static const char *const names[] = {
        [RS_LOGISTIC] = "logistic", [RS_LINEAR_SVM] = "linear-svm", [RS_RBF_SVM] = "rbf-svm"
    };
    return names[learner];
}

const char *rs_signal_kind_name(enum rs_signal_kind kind)
{
    return kind == RS_COUNTER ? "counter" : "gauge";
}

bool rs_attr_is_in_cohorts(const struct rs_program *p, uint32_t attr)
{
    for (uint32_t c = 1; c < p->n_cohorts; c++)
        if (p->cohorts[c].attr == attr)
            return true;
    return false;
}

static int by_weight_down(const void *pa, const void *pb)
{
    const struct rs_ranked_step *a = pa, *b = pb;
    double wa = fabs(a->weight), wb = fabs(b->weight);
    if (wa != wb)
        return wa > wb ? -1 : 1;
    return a->step < b->step ? -1 : a->step > b->step;
}

void rs_rank_steps(const struct rs_model *m, const double *weight, struct rs_ranked_step *out)
{
    for (uint32_t i = 0; i < m->program.n_steps; i++)
        out[i] = (struct rs_ranked_step){ i, weight[i] * m->scale[i] };
    qsort(out, m->program.n_steps, sizeof *out, by_weight_down);
}

static enum rs_status dump(const char *path, bool is_json, struct rs_error *err)
{
    RS_AUTO_STRUCT(rs_model) *m = NULL;
    enum rs_status st = rs_model_load(path, &m, err);
    if (st < 0)
        return st;
    rs_autofree struct rs_ranked_step *ranked = rs_alloc(m->program.n_steps, sizeof *ranked);
    if (!ranked)
        return rs_error_set(err, RS_ENOMEM, "%u steps: out of memory", m->program.n_steps);
    rs_rank_steps(m, m->weight, ranked);
    const struct rs_dump d = { path, m, ranked };
    return is_json ? rs_dump_json(&d, err) : rs_dump_text(&d, err);
}

int rs_cmd_dump(int argc, char **argv, const struct rs_verb *self)
{
    const char *path;
    bool is_json = false;
    const struct rs_opt opts[] = {
        { "json", 0, RS_OPT_FLAG, &is_json, NULL, "Print JSON." },
        { NULL, 0, RS_OPT_FLAG, NULL, NULL, NULL },
    };
    struct rs_error err = RS_ERROR_INIT;
    enum rs_status st = rs_cli_parse_one(argc, argv, self, opts, "model file", &path, &err);
    if (st == RS_OK)
        st = dump(path, is_json, &err);
    return rs_cli_end("dump", st, &err);
}

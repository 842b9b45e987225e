/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks a fleet file with a model's own feature program and scores each sample. See scoring.h. */
#include "predictor/scoring.h"

#include "common/cli.h"

enum rs_status rs_scoring_open(struct rs_scoring *s, const char *fleet_path, const char *model_path, int kind,
                               int64_t horizon_s, const char *what, bool is_quiet, struct rs_error *err)
{
    *s = (struct rs_scoring){ 0 };
    enum rs_status st = rs_model_load(model_path, &s->model, err);
    if (st == RS_OK)
        st = rs_fleet_open(fleet_path, &s->fleet, err);
    if (st < 0)
        return st;
    struct rs_scan_options opt = { .horizon_s = horizon_s ? horizon_s : s->model->meta.horizon_s, .kind = kind };
    st = rs_scan_new(s->fleet, &s->model->program, &opt, &s->scan, err);
    if (st < 0)
        return rs_error_prefix(err, st, "%s", fleet_path);
    s->digest = rs_digest_new();
    if (!s->digest)
        return rs_error_set(err, RS_ENOMEM, "%s: out of memory", fleet_path);
    rs_progress_start(&s->progress, what, "samples", rs_fleet_info(s->fleet)->n_rows, is_quiet);
    s->is_drawing = true;
    return RS_OK;
}

static void end_progress(struct rs_scoring *s)
{
    if (s->is_drawing)
        rs_progress_end(&s->progress);
    s->is_drawing = false;
}

enum rs_status rs_scoring_step(struct rs_scoring *s, struct rs_scored_row *out, struct rs_error *err)
{
    if (rs_cli_interrupted())
        return rs_error_set(err, RS_ECANCELLED, "interrupted after %llu samples", (unsigned long long)s->n_rows);
    enum rs_status st = rs_scan_step(s->scan, &out->sample, err);
    if (st == RS_OK)
        end_progress(s);
    if (st != RS_CONTINUE)
        return st;
    out->risk = rs_model_risk(s->model, out->sample.cohort, out->sample.x);
    if (!(out->risk >= 0 && out->risk <= 1))
        return rs_error_set(err, RS_EDOMAIN, "entity %s: the model gives no probability (%g): its numbers are unsound",
                            out->sample.id, out->risk);
    if (out->sample.label >= 0)
        rs_digest_add(s->digest, &out->sample);
    if (++s->n_rows % 1024 == 0)
        rs_progress_update(&s->progress, s->n_rows, NULL);
    return RS_CONTINUE;
}

void rs_scoring_close(struct rs_scoring *s)
{
    end_progress(s);
    rs_digest_free(s->digest);
    rs_scan_free(s->scan);
    rs_fleet_close(s->fleet);
    rs_model_free(s->model);
    *s = (struct rs_scoring){ 0 };
}

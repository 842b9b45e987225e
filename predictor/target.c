/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows are sorted once a contender, by risk; every figure is then one pass under the weights of a resampling. */
#include "predictor/target.h"

#include <math.h>

#include "common/cli.h"
#include "common/parallel.h"
#include "predictor/bootstrap.h"

static const struct {
    const char *word;
    enum rs_target_kind kind;
} words[] = { { "logloss", RS_TARGET_LOG_LOSS }, { "auc", RS_TARGET_AUC }, { "ap", RS_TARGET_AP } };

enum rs_status rs_target_parse(const char *word, struct rs_target *out, struct rs_error *err)
{
    for (size_t i = 0; i < RS_LEN(words); i++)
        if (rs_streq(word, words[i].word)) {
            *out = (struct rs_target){ .kind = words[i].kind };
            return RS_OK;
        }
    double percent;
    char tail;
    if (sscanf(word, "precision@%lf%c", &percent, &tail) == 2 && tail == '%' && word[strlen(word) - 1] == '%' &&
        percent > 0 && percent < 100) {
        *out = (struct rs_target){ .kind = RS_TARGET_PRECISION, .budget = percent / 100 };
        return RS_OK;
    }
    return rs_error_set(err, RS_EUSAGE, "--target: %s: precision@P%%, logloss, auc or ap needed", word);
}

const char *rs_target_name(const struct rs_target *t, char buf[32])
{
    snprintf(buf, 32, "precision@%.12g%%", 100 * t->budget);
    for (size_t i = 0; i < RS_LEN(words); i++)
        if (words[i].kind == t->kind)
            snprintf(buf, 32, "%s", words[i].word);
    return buf;
}

struct figures {
    double precision, log_loss, auc, ap;
};

struct keyed {
    double risk;
    uint32_t row;
    bool is_positive;
};

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    if (x->risk != y->risk)
        return x->risk > y->risk ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* math.md E1, E2, E4 with weights of rows; precision of the riskiest share, a run of equal risks taken in proportion.
 * weight: n, scratch memory. */
static struct figures measure(const struct rs_contest *c, const struct rs_contender *of, const struct keyed *order,
                              const uint32_t *times, double *weight)
{
    double positive = 0, all = 0, loss = 0;
    for (size_t i = 0; i < c->n; i++) {
        double w = (double)c->weight[i] * (times ? times[c->unit[i]] : 1);
        weight[i] = w;
        all += w;
        positive += c->y[i] ? w : 0;
        loss += w * of->loss[i];
    }
    struct figures f = { .log_loss = loss / all };
    double room = c->target.budget * all, caught = 0, above = 0, above_positive = 0;
    for (size_t i = 0; i < c->n;) {
        double run = 0, run_positive = 0, risk = order[i].risk;
        for (; i < c->n && order[i].risk == risk; i++) {
            double w = weight[order[i].row];
            run += w;
            run_positive += order[i].is_positive ? w : 0;
        }
        if (run_positive > 0 && above < room)
            caught += RS_MIN(1.0, (room - above) / run) * run_positive;
        f.auc += (run - run_positive) * (above_positive + run_positive / 2);
        above += run;
        above_positive += run_positive;
        if (run_positive > 0)
            f.ap += run_positive * above_positive / above;
    }
    f.precision = room > 0 ? caught / room : 0;
    f.auc = positive > 0 && all > positive ? f.auc / (positive * (all - positive)) : NAN;
    f.ap = positive > 0 ? f.ap / positive : NAN;
    return f;
}

static double value_of(const struct rs_target *t, const struct figures *f)
{
    switch (t->kind) {
    case RS_TARGET_PRECISION:
        return f->precision;
    case RS_TARGET_LOG_LOSS:
        return -f->log_loss;
    case RS_TARGET_AUC:
        return f->auc;
    case RS_TARGET_AP:
        break;
    }
    return f->ap;
}

struct job {
    struct rs_contest *c;
    const uint32_t *times; /* n_replicates x n_units */
    struct keyed *order;   /* n of each thread */
    double *weight;        /* n of each thread */
};

/* One contender: sorted, measured, measured again under each resampling. */
static void do_contender(void *arg, size_t k, unsigned worker)
{
    const struct job *job = arg;
    struct rs_contest *c = job->c;
    struct rs_contender *of = &c->of[k];
    if (!rs_comm_is_turn(c->comm, k))
        return;
    struct keyed *order = job->order + worker * c->n;
    double *weight = job->weight + worker * c->n;
    for (size_t i = 0; i < c->n; i++)
        order[i] = (struct keyed){ of->risk[i], (uint32_t)i, c->y[i] != 0 };
    qsort(order, c->n, sizeof *order, compare_keyed);
    struct figures f = measure(c, of, order, NULL, weight);
    of->value = value_of(&c->target, &f);
    of->log_loss = f.log_loss;
    of->roc_auc = f.auc;
    of->average_precision = f.ap;
    for (size_t r = 0; r < c->n_replicates && !rs_cli_interrupted(); r++) {
        f = measure(c, of, order, job->times + r * c->n_units, weight);
        c->replicates[(r * c->n_of + k) * 2] = value_of(&c->target, &f);
        c->replicates[(r * c->n_of + k) * 2 + 1] = f.log_loss;
    }
}

/* What each process has measured, to all: what it has not is 0, so that the sums are exact. */
static enum rs_status share(struct rs_contest *c, struct rs_error *err)
{
    enum rs_status st = rs_comm_sum(c->comm, c->replicates, c->n_replicates * c->n_of * 2, err);
    for (size_t k = 0; st == RS_OK && k < c->n_of; k++) {
        struct rs_contender *of = &c->of[k];
        double figures[] = { of->value, of->log_loss, of->roc_auc, of->average_precision };
        st = rs_comm_sum(c->comm, figures, RS_LEN(figures), err);
        of->value = figures[0];
        of->log_loss = figures[1];
        of->roc_auc = figures[2];
        of->average_precision = figures[3];
    }
    return st;
}

enum rs_status rs_contest_measure(struct rs_contest *c, size_t n_replicates, struct rs_error *err)
{
    free(c->replicates);
    c->n_replicates = n_replicates;
    c->replicates = rs_alloc(n_replicates * c->n_of * 2, sizeof *c->replicates);
    rs_autofree uint32_t *times = rs_alloc(n_replicates * c->n_units, sizeof *times);
    rs_autofree struct keyed *order = rs_alloc(rs_threads() * c->n, sizeof *order);
    rs_autofree double *weight = rs_alloc(rs_threads() * c->n, sizeof *weight);
    if (!c->replicates || !times || !order || !weight)
        return rs_error_set(err, RS_ENOMEM, "resampling of %u entities: out of memory", c->n_units);
    for (size_t r = 0; r < n_replicates; r++)
        rs_bootstrap_draw(c->seed, r, c->n_units, times + r * c->n_units);
    struct job job = { c, times, order, weight };
    rs_parallel(rs_threads(), c->n_of, do_contender, &job);
    return rs_cli_interrupted() ? rs_error_set(err, RS_ECANCELLED, "interrupted") : share(c, err);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean-free spread of the replicates of a difference, those that are no number left out; sorted in place. */
static double spread(double *gap, size_t *n)
{
    size_t kept = 0;
    double sum = 0, square = 0;
    for (size_t r = 0; r < *n; r++)
        if (isfinite(gap[r]))
            gap[kept++] = gap[r];
    *n = kept;
    for (size_t r = 0; r < kept; r++)
        sum += gap[r] / (double)kept;
    for (size_t r = 0; r < kept; r++)
        square += (gap[r] - sum) * (gap[r] - sum);
    qsort(gap, kept, sizeof *gap, compare_doubles);
    return kept > 1 ? sqrt(square / (double)(kept - 1)) : 0;
}

/* which: 0 the target, 1 the log loss. Writes n_replicates differences at most. */
static double difference(const struct rs_contest *c, size_t a, size_t b, int which, double *gap, size_t *n)
{
    *n = c->n_replicates;
    for (size_t r = 0; r < c->n_replicates; r++)
        gap[r] =
            c->replicates[(r * c->n_of + a) * 2 + (size_t)which] - c->replicates[(r * c->n_of + b) * 2 + (size_t)which];
    return spread(gap, n);
}

void rs_contest_compare(struct rs_contest *c, size_t reference)
{
    double gap[RS_REPLICATES_MAX];
    size_t n;
    for (size_t k = 0; k < c->n_of; k++) {
        struct rs_contender *of = &c->of[k];
        of->gap = of->value - c->of[reference].value;
        difference(c, k, reference, 0, gap, &n);
        of->gap_low = n ? gap[(size_t)(0.025 * (double)n)] : NAN;
        of->gap_high = n ? gap[(size_t)(0.975 * (double)n)] : NAN;
        of->loss_gap = of->log_loss - c->of[reference].log_loss;
        of->loss_gap_se = difference(c, k, reference, 1, gap, &n);
    }
}

double rs_contest_loss_se(const struct rs_contest *c, size_t a, size_t b)
{
    double gap[RS_REPLICATES_MAX];
    size_t n;
    return difference(c, a, b, 1, gap, &n);
}

void rs_contest_clear(struct rs_contest *c)
{
    free(c->replicates);
    c->replicates = NULL;
}

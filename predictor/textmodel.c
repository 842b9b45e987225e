/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads text models: a head of "key value" lines, then numbers. See textmodel.h. */
#include "predictor/textmodel.h"

#include <math.h>

#define KEY_MAX 32
#define VALUE_MAX 256

struct reader {
    const char *at, *end;
    unsigned line; /* of at */
    struct rs_error *err;
};

struct head {
    char solver[VALUE_MAX], svm_type[VALUE_MAX], kernel[VALUE_MAX];
    double gamma, rho, bias, prob_a, prob_b;
    bool has_prob_a, has_prob_b, has_label, has_rho, has_bias;
    long nr_class, nr_feature, total_sv;
    double sign; /* of the decision value for the positive class */
};

static enum rs_status wrong(const struct reader *r, enum rs_status st, const char *what)
{
    return rs_error_set(r->err, st, "line %u: %s", r->line, what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of this line, cut to fit; false at its end. */
static bool take_word(struct reader *r, char *out, size_t size)
{
    size_t n = 0;
    while (r->at < r->end && is_blank(*r->at))
        r->at++;
    for (; r->at < r->end && !is_blank(*r->at) && *r->at != '\n' && *r->at; r->at++)
        if (n + 1 < size)
            out[n++] = *r->at;
    out[n] = 0;
    return n > 0;
}

/* Past the end of this line; false where something is left on it. */
static bool end_line(struct reader *r)
{
    while (r->at < r->end && is_blank(*r->at))
        r->at++;
    if (r->at < r->end && *r->at != '\n')
        return false;
    r->at += r->at < r->end;
    r->line++;
    return true;
}

static bool parse_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && fabs(*out) <= 1e30;
}

static enum rs_status take_number(struct reader *r, double *out)
{
    char word[KEY_MAX * 2];
    if (!take_word(r, word, sizeof word))
        return wrong(r, RS_EFORMAT, "a number is missing");
    if (!parse_number(word, out))
        return rs_error_set(r->err, RS_EFORMAT, "line %u: %s: no number", r->line, word);
    return RS_OK;
}

static enum rs_status take_count(struct reader *r, long *out)
{
    double v;
    enum rs_status st = take_number(r, &v);
    if (st == RS_OK && (v < 0 || v > 1e9 || v != floor(v)))
        st = wrong(r, RS_EFORMAT, "a count is needed");
    if (st == RS_OK)
        *out = (long)v;
    return st;
}

/* Positive is 1; the other class 0 or -1. The decision value is positive for the label that comes first. */
static enum rs_status take_labels(struct reader *r, struct head *h)
{
    double first, second;
    enum rs_status st = take_number(r, &first);
    if (st == RS_OK)
        st = take_number(r, &second);
    if (st < 0)
        return st;
    bool is_first = first == 1 && (second == 0 || second == -1), is_second = second == 1 && (first == 0 || first == -1);
    if (!is_first && !is_second)
        return rs_error_set(r->err, RS_EUNSUPPORTED, "line %u: labels %g and %g: 1 beside 0 or -1 needed", r->line,
                            first, second);
    h->has_label = true;
    h->sign = is_first ? 1 : -1;
    return RS_OK;
}

static enum rs_status take_text(struct reader *r, char out[VALUE_MAX])
{
    return take_word(r, out, VALUE_MAX) ? RS_OK : wrong(r, RS_EFORMAT, "a value is missing");
}

static enum rs_status take_value(struct reader *r, const char *key, struct head *h)
{
    double ignored;
    if (rs_streq(key, "solver_type"))
        return take_text(r, h->solver);
    if (rs_streq(key, "svm_type"))
        return take_text(r, h->svm_type);
    if (rs_streq(key, "kernel_type"))
        return take_text(r, h->kernel);
    if (rs_streq(key, "nr_class"))
        return take_count(r, &h->nr_class);
    if (rs_streq(key, "nr_feature"))
        return take_count(r, &h->nr_feature);
    if (rs_streq(key, "total_sv"))
        return take_count(r, &h->total_sv);
    if (rs_streq(key, "label"))
        return take_labels(r, h);
    if (rs_streq(key, "gamma"))
        return take_number(r, &h->gamma);
    if (rs_streq(key, "rho")) {
        h->has_rho = true;
        return take_number(r, &h->rho);
    }
    if (rs_streq(key, "bias")) {
        h->has_bias = true;
        return take_number(r, &h->bias);
    }
    if (rs_streq(key, "probA")) {
        h->has_prob_a = true;
        return take_number(r, &h->prob_a);
    }
    if (rs_streq(key, "probB")) {
        h->has_prob_b = true;
        return take_number(r, &h->prob_b);
    }
    if (rs_streq(key, "nr_sv")) {
        enum rs_status st = take_number(r, &ignored);
        return st == RS_OK ? take_number(r, &ignored) : st;
    }
    if (rs_streq(key, "degree") || rs_streq(key, "coef0"))
        return take_number(r, &ignored);
    return rs_error_set(r->err, RS_EFORMAT, "line %u: %s: unknown key", r->line, key);
}

/* Every line up to the one that is `last` alone. */
static enum rs_status take_head(struct reader *r, const char *last, struct head *h)
{
    char key[KEY_MAX];
    h->sign = 1;
    for (;;) {
        if (r->at >= r->end)
            return rs_error_set(r->err, RS_EFORMAT, "line %u: the file ends before %s", r->line, last);
        if (!take_word(r, key, sizeof key))
            return wrong(r, RS_EFORMAT, "a key is missing");
        if (rs_streq(key, last))
            return end_line(r) ? RS_OK : wrong(r, RS_EFORMAT, "more than the key");
        enum rs_status st = take_value(r, key, h);
        if (st == RS_OK && h->nr_class > 0 && h->nr_class != 2)
            st = wrong(r, RS_EUNSUPPORTED, "two classes needed");
        if (st == RS_OK && !end_line(r))
            st = wrong(r, RS_EFORMAT, "more than its value");
        if (st < 0)
            return st;
    }
}

static enum rs_status check_inputs(const struct reader *r, size_t found, size_t n)
{
    if (found == n)
        return RS_OK;
    return rs_error_set(r->err, RS_ESHAPE, "the model has %zu inputs, the feature list %zu", found, n);
}

/* ---- liblinear ---- */

static bool is_solver(const char *name, bool *is_logistic)
{
    static const char *const logistic[] = { "L2R_LR", "L1R_LR", "L2R_LR_DUAL" };
    static const char *const svm[] = { "L2R_L2LOSS_SVC_DUAL", "L2R_L2LOSS_SVC", "L2R_L1LOSS_SVC_DUAL",
                                       "L1R_L2LOSS_SVC" };
    for (size_t i = 0; i < RS_LEN(logistic); i++)
        if (rs_streq(name, logistic[i])) {
            *is_logistic = true;
            return true;
        }
    for (size_t i = 0; i < RS_LEN(svm); i++)
        if (rs_streq(name, svm[i]))
            return true;
    return false;
}

static enum rs_status take_weight(struct reader *r, double sign, double *out)
{
    double v;
    enum rs_status st = take_number(r, &v);
    if (st == RS_OK && !end_line(r))
        st = wrong(r, RS_EUNSUPPORTED, "one weight a line needed");
    *out = st == RS_OK ? sign * v : 0;
    return st;
}

static enum rs_status read_liblinear(struct reader *r, size_t n, struct rs_text_model *m)
{
    struct head h = { 0 };
    enum rs_status st = take_head(r, "w", &h);
    if (st < 0)
        return st;
    if (!is_solver(h.solver, &m->is_logistic))
        return rs_error_set(r->err, RS_EUNSUPPORTED, "solver_type %s: a classifier of two classes needed", h.solver);
    if (h.nr_class != 2 || !h.has_label || !h.has_bias)
        return rs_error_set(r->err, RS_EFORMAT, "nr_class, label or bias is missing");
    st = check_inputs(r, (size_t)h.nr_feature, n);
    if (st < 0)
        return st;
    m->w = rs_alloc(n, sizeof *m->w);
    if (!m->w)
        return rs_error_set(r->err, RS_ENOMEM, "%zu weights: out of memory", n);
    for (size_t j = 0; j < n && st == RS_OK; j++)
        st = take_weight(r, h.sign, &m->w[j]);
    if (st == RS_OK && h.bias >= 0) {
        st = take_weight(r, h.sign, &m->bias);
        m->bias *= h.bias;
    }
    return st;
}

/* ---- libsvm ---- */

/* "index:value" pairs up to the end of the line; each index once, ascending. */
static enum rs_status take_pairs(struct reader *r, size_t n, void (*use)(void *arg, size_t j, double v), void *arg)
{
    char word[KEY_MAX * 3], *end;
    unsigned long before = 0;
    while (take_word(r, word, sizeof word)) {
        double v;
        unsigned long index = strtoul(word, &end, 10);
        if (*end != ':' || word[0] < '0' || word[0] > '9' || !parse_number(end + 1, &v))
            return rs_error_set(r->err, RS_EFORMAT, "line %u: %s: index:value needed", r->line, word);
        if (index <= before)
            return rs_error_set(r->err, RS_EFORMAT, "line %u: index %lu: 1 or more and ascending needed", r->line,
                                index);
        if (index > n)
            return rs_error_set(r->err, RS_ESHAPE, "line %u: input %lu, the feature list has %zu", r->line, index, n);
        before = index;
        use(arg, index - 1, v);
    }
    return end_line(r) ? RS_OK : wrong(r, RS_EFORMAT, "no text");
}

struct into_weights {
    double *w, coef;
};

static void add_weight(void *arg, size_t j, double v)
{
    struct into_weights *to = arg;
    to->w[j] += to->coef * v;
}

static void put_vector(void *arg, size_t j, double v)
{
    float *sv = arg;
    sv[j] = (float)v;
}

static enum rs_status read_vector(struct reader *r, const struct head *h, size_t n, struct rs_text_model *m)
{
    double coef;
    enum rs_status st = take_number(r, &coef);
    if (st < 0)
        return st;
    if (m->w) {
        struct into_weights to = { m->w, coef * h->sign };
        return take_pairs(r, n, add_weight, &to);
    }
    m->coef[m->n_sv] = coef * h->sign;
    return take_pairs(r, n, put_vector, m->sv + m->n_sv++ * n);
}

/* A vector takes two bytes at least, "1\n"; what is declared beyond that is not allocated. */
static enum rs_status make_room(struct reader *r, const struct head *h, bool is_rbf, size_t n, struct rs_text_model *m)
{
    size_t cells = 0;
    if ((size_t)h->total_sv > (size_t)(r->end - r->at) / 2 + 1)
        return rs_error_set(r->err, RS_EFORMAT, "line %u: total_sv %ld: the file is too short for as many", r->line,
                            h->total_sv);
    if (!is_rbf)
        m->w = rs_alloc(n, sizeof *m->w);
    else if (rs_mul_size((size_t)h->total_sv, n, &cells) && cells <= RS_TEXT_MODEL_SIZE_MAX) {
        m->coef = rs_alloc((size_t)h->total_sv, sizeof *m->coef);
        m->sv = rs_alloc(cells, sizeof *m->sv);
    }
    return m->w || (m->coef && m->sv)
               ? RS_OK
               : rs_error_set(r->err, RS_ENOMEM, "%ld support vectors: out of memory", h->total_sv);
}

static enum rs_status check_svm(const struct reader *r, const struct head *h, bool is_rbf)
{
    if (!rs_streq(h->svm_type, "c_svc") && !rs_streq(h->svm_type, "nu_svc"))
        return rs_error_set(r->err, RS_EUNSUPPORTED, "svm_type %s: c_svc or nu_svc needed", h->svm_type);
    if (!is_rbf && !rs_streq(h->kernel, "linear"))
        return rs_error_set(r->err, RS_EUNSUPPORTED, "kernel_type %s: rbf or linear needed", h->kernel);
    if (h->nr_class != 2 || !h->has_label || !h->has_rho || !h->total_sv)
        return rs_error_set(r->err, RS_EFORMAT, "nr_class, label, rho or total_sv is missing");
    if (is_rbf && !(h->gamma > 0))
        return rs_error_set(r->err, RS_EFORMAT, "gamma %g: above 0 needed", h->gamma);
    return RS_OK;
}

static enum rs_status read_libsvm(struct reader *r, size_t n, struct rs_text_model *m)
{
    struct head h = { 0 };
    enum rs_status st = take_head(r, "SV", &h);
    if (st < 0)
        return st;
    bool is_rbf = rs_streq(h.kernel, "rbf");
    st = check_svm(r, &h, is_rbf);
    if (st == RS_OK)
        st = make_room(r, &h, is_rbf, n, m);
    for (long k = 0; k < h.total_sv && st == RS_OK; k++)
        st = read_vector(r, &h, n, m);
    m->gamma = h.gamma;
    m->bias = -h.rho * h.sign;
    m->has_sigmoid = h.has_prob_a && h.has_prob_b; /* of the label that comes first: 1 / (1 + exp(A z + B)) */
    m->sigmoid_a = -h.prob_a;
    m->sigmoid_b = -h.sign * h.prob_b;
    return st;
}

void rs_text_model_clear(struct rs_text_model *m)
{
    free(m->w);
    free(m->coef);
    free(m->sv);
    *m = (struct rs_text_model){ 0 };
}

enum rs_status rs_text_model_read(enum rs_text_format format, const char *text, size_t len, size_t n,
                                  struct rs_text_model *out, struct rs_error *err)
{
    rs_auto_text_model m = { .n = n };
    struct reader r = { text, text + len, 1, err };
    enum rs_status st = format == RS_TEXT_LIBLINEAR ? read_liblinear(&r, n, &m) : read_libsvm(&r, n, &m);
    if (st == RS_OK && r.at < r.end)
        st = wrong(&r, RS_EFORMAT, "more than the model announces");
    if (st < 0)
        return st;
    *out = m;
    m = (struct rs_text_model){ 0 };
    return RS_OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model as one freestanding C file: numbers in tables and the arithmetic of models/score_kernel.inc in plain C, in
 * the same order, so that a linear model gives the same bits as long as the compiler does not fuse products and sums. A
 * radial machine sums differences instead of fused products (M8), and agrees to single precision. */
#include <ctype.h>

#include "predictor/export_private.h"

#define LANES 8 /* sums side by side; math.md M1 */

struct c_writer {
    const struct rs_model *m;
    const char *name;
    struct rs_buf *out;
};

static enum rs_status check_name(const char *name, struct rs_error *err)
{
    bool is_sound = *name && !isdigit((unsigned char)*name) && strlen(name) <= 64;
    for (const char *s = name; *s; s++)
        is_sound &= isascii((unsigned char)*s) && (isalnum((unsigned char)*s) || *s == '_');
    return is_sound ? RS_OK : rs_error_set(err, RS_EUSAGE, "--name: %s: no C identifier of at most 64 letters", name);
}

/* Text inside of a comment: what could end it, or continue a line, is made harmless. */
static void put_comment(struct rs_buf *out, const char *text)
{
    for (const char *s = text; *s; s++)
        if ((*s == '*' && s[1] == '/') || (*s == '/' && s[1] == '*'))
            rs_buf_printf(out, "%c ", *s);
        else
            rs_put_u8(out, *s == '\\' || *s == '?' ? '_' : (uint8_t)*s);
}

static void put_head(const struct c_writer *w)
{
    const struct rs_program *p = &w->m->program;
    char horizon[RS_NAME_MAX];
    snprintf(horizon, sizeof horizon, "%lld", (long long)w->m->meta.horizon_s);
    rs_buf_printf(w->out, "/* Failure risk within %s s, from a model of ", horizon);
    put_comment(w->out, w->m->meta.tool);
    rs_buf_printf(w->out, ", digest 0x%016llx.\n *\n", (unsigned long long)rs_model_digest(w->m));
    rs_buf_printf(w->out,
                  " *     double %s_risk(const float *x, unsigned cohort);\n *\n"
                  " * x has the %u features below, finite. cohort is the number of the entity's deepest cohort%s.\n"
                  " * Freestanding C99: no allocation, no global state; any thread may call. Compiled without fused\n"
                  " * multiply-add (-ffp-contract=off), it gives the risk of `reseat score`%s.\n *\n",
                  w->name, p->n_steps, w->m->n_deltas ? "; 0 is all" : "; this model does not use it",
                  w->m->rbf.n_sv ? " within 1e-5" : " to the last bit");
    for (uint32_t j = 0; j < p->n_steps; j++) {
        char name[EXPORT_NAME_MAX];
        rs_buf_printf(w->out, " * x[%u]  ", j);
        put_comment(w->out, rs_step_name(p, j, name, sizeof name));
        rs_put_u8(w->out, '\n');
    }
    for (uint32_t c = 0; w->m->n_deltas && c < p->n_cohorts; c++) {
        rs_buf_printf(w->out, " * cohort %u  ", c);
        put_comment(w->out, p->cohorts[c].name);
        rs_put_u8(w->out, '\n');
    }
    rs_buf_printf(w->out, " */\n#include <stdint.h>\n%s\n",
                  w->m->calibrator.kind == RS_BETA ? "#include <math.h>\n" : "");
}

static void put_doubles(const struct c_writer *w, const char *what, const double *v, size_t n)
{
    rs_buf_printf(w->out, "static const double %s_%s[] = {", w->name, what);
    for (size_t i = 0; i < n; i++)
        rs_buf_printf(w->out, "%s%.17g,", i % 4 ? " " : "\n    ", v[i]);
    rs_buf_printf(w->out, "%s\n};\n", n ? "" : " 0");
}

/* math.md M6: weights of a cohort with all deltas on its path; parents come first */
static void add_path(const struct rs_model *m, uint32_t cohort, const double *parent, double *out)
{
    for (uint32_t i = 0; i < m->n_deltas; i++)
        if (m->deltas[i].cohort == cohort && m->deltas[i].weight)
            for (uint32_t j = 0; j < m->program.n_steps; j++)
                out[j] = m->deltas[i].weight[j] + parent[j];
}

static const struct rs_cohort_delta *delta_of(const struct rs_model *m, uint32_t cohort)
{
    for (uint32_t i = 0; i < m->n_deltas; i++)
        if (m->deltas[i].cohort == cohort)
            return &m->deltas[i];
    return NULL;
}

static void put_table_numbers(const struct c_writer *w, const uint32_t *table)
{
    rs_buf_printf(w->out, "static const uint32_t %s_table[] = {", w->name);
    for (uint32_t c = 0; c < w->m->program.n_cohorts; c++)
        rs_buf_printf(w->out, "%s%u,", c % 16 ? " " : "\n    ", table[c]);
    rs_buf_printf(w->out, "\n};\n");
}

static enum rs_status put_cohort_tables(const struct c_writer *w, struct rs_error *err)
{
    const struct rs_model *m = w->m;
    uint32_t n = m->program.n_cohorts, d = m->program.n_steps, n_tables = 1;
    for (uint32_t i = 0; i < m->n_deltas; i++)
        n_tables += m->deltas[i].weight != NULL;
    rs_autofree double *bias = rs_alloc(n, sizeof *bias);
    rs_autofree uint32_t *table = rs_alloc(n, sizeof *table);
    size_t cells = 0;
    rs_autofree double *weights = rs_mul_size(n_tables, d, &cells) ? rs_alloc(cells, sizeof *weights) : NULL;
    if (!bias || !table || !weights)
        return rs_error_set(err, RS_ENOMEM, "export: %u cohorts: out of memory", n);
    memcpy(weights, m->weight, d * sizeof *weights);
    n_tables = 1;
    for (uint32_t c = 0; c < n; c++) {
        const struct rs_cohort_delta *delta = delta_of(m, c);
        uint32_t parent = m->program.cohorts[c].parent;
        bias[c] = (c ? bias[parent] : m->bias) + (delta ? delta->bias : 0);
        table[c] = c ? table[parent] : 0;
        if (!delta || !delta->weight)
            continue;
        add_path(m, c, weights + (size_t)table[c] * d, weights + (size_t)n_tables * d);
        table[c] = n_tables++;
    }
    put_doubles(w, "bias", bias, n);
    put_table_numbers(w, table);
    put_doubles(w, "weight", weights, (size_t)n_tables * d);
    return RS_OK;
}

static enum rs_status put_linear(const struct c_writer *w, struct rs_error *err)
{
    const struct rs_model *m = w->m;
    uint32_t d = m->program.n_steps, whole = d / LANES * LANES;
    char lane[96] = "j % 8u";
    if (d > LANES && whole != d) /* the last features are read eight at a time, too: math.md M1 */
        snprintf(lane, sizeof lane, "j < %uu ? j %% 8u : j - %uu", whole, d - LANES);
    put_doubles(w, "mean", m->mean, d);
    if (m->n_deltas) {
        enum rs_status st = put_cohort_tables(w, err);
        if (st < 0)
            return st;
    } else {
        put_doubles(w, "weight", m->weight, d);
    }
    rs_buf_printf(w->out,
                  "\nstatic double %s_z(const float *x, unsigned cohort)\n{\n"
                  "    double s[%d] = { 0 };\n"
                  "    unsigned j;\n",
                  w->name, LANES);
    if (m->n_deltas)
        rs_buf_printf(w->out,
                      "    const double *w;\n\n    if (cohort >= %uu)\n        cohort = 0;\n"
                      "    w = %s_weight + (unsigned long)%s_table[cohort] * %uu;\n",
                      m->program.n_cohorts, w->name, w->name, d);
    else
        rs_buf_printf(w->out, "    const double *w = %s_weight;\n\n    (void)cohort;\n", w->name);
    if (d)
        rs_buf_printf(w->out,
                      "    for (j = 0; j < %uu; j++)\n"
                      "        s[%s] += w[j] * ((double)x[j] - %s_mean[j]);\n",
                      d, lane, w->name);
    else
        rs_buf_printf(w->out, "    (void)x;\n    (void)w;\n    (void)j;\n");
    rs_buf_printf(w->out, "    return ");
    if (m->n_deltas)
        rs_buf_printf(w->out, "%s_bias[cohort]", w->name);
    else
        rs_buf_printf(w->out, "%.17g", m->bias);
    rs_buf_printf(w->out, " + (((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])));\n}\n");
    return RS_OK;
}

static const char kernel_code[] = "static float %s_kernel(float u)\n{\n" /* e^-u; math.md M7 in float */
                                  "    union {\n        float value;\n        uint32_t bits;\n    } shifted, power;\n"
                                  "    float k, r, q;\n\n"
                                  "    u = u > 87.0f ? 87.0f : u;\n"
                                  "    shifted.value = u * -0x1.715476p0f + 0x1.8p23f;\n"
                                  "    k = shifted.value - 0x1.8p23f;\n"
                                  "    r = (-u - k * 0x1.62e4p-1f) - k * 0x1.7f7d1cp-20f;\n"
                                  "    q = 0x1.6c16c2p-10f;\n"
                                  "    q = q * r + 0x1.111112p-7f;\n    q = q * r + 0x1.555556p-5f;\n"
                                  "    q = q * r + 0x1.555556p-3f;\n    q = q * r + 0.5f;\n"
                                  "    power.bits = (shifted.bits + 127u) << 23;\n"
                                  "    return (1.0f + (r + r * r * q)) * power.value;\n}\n\n";

static void put_rbf(const struct c_writer *w)
{
    const struct rs_model *m = w->m;
    uint32_t d = m->program.n_steps, n = m->rbf.n_sv;
    put_doubles(w, "mean", m->mean, d);
    put_doubles(w, "scale", m->scale, d);
    put_doubles(w, "coef", m->rbf.coef, n);
    rs_buf_printf(w->out, "static const float %s_sv[] = {", w->name);
    for (size_t i = 0; i < (size_t)n * d; i++)
        rs_buf_printf(w->out, "%s%.9ef,", i % 6 ? " " : "\n    ", (double)m->rbf.sv[i]);
    rs_buf_printf(w->out, "%s\n};\n\n", n && d ? "" : " 0");
    rs_buf_printf(w->out, kernel_code, w->name);
    rs_buf_printf(w->out,
                  "static double %s_z(const float *x, unsigned cohort)\n{\n"
                  "    double s[%d] = { 0 }, v;\n"
                  "    float at[%u], off, square;\n"
                  "    unsigned j, k;\n\n"
                  "    (void)cohort;\n"
                  "    for (j = 0; j < %uu; j++) {\n"
                  "        v = ((double)x[j] - %s_mean[j]) / %s_scale[j];\n"
                  "        at[j] = (float)(v < -1e15 ? -1e15 : v > 1e15 ? 1e15 : v);\n"
                  "    }\n"
                  "    for (k = 0; k < %uu; k++) {\n"
                  "        square = 0;\n"
                  "        for (j = 0; j < %uu; j++) {\n"
                  "            off = at[j] - %s_sv[(unsigned long)k * %uu + j];\n"
                  "            square += off * off;\n"
                  "        }\n"
                  "        s[k %% 8u] += %s_coef[k] * (double)%s_kernel(square * %.9ef);\n"
                  "    }\n"
                  "    return %.17g + (((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])));\n}\n",
                  w->name, LANES, RS_MAX(d, 1u), d, w->name, w->name, n, d, w->name, d, w->name, w->name,
                  (double)(float)m->rbf.gamma, m->bias);
}

static const char sigmoid_code[] =
    "\nstatic double %s_sigmoid(double t)\n{\n" /* 1 / (1 + e^-t), e^x as in math.md M7 */
    "    union {\n        double value;\n        uint64_t bits;\n    } shifted, power;\n"
    "    double x = -t, k, r, r2, r4, a0, a1, a2, a3, a4, a5, tail;\n\n"
    "    x = x < -708.0 ? -708.0 : x > 709.0 ? 709.0 : x;\n"
    "    shifted.value = x * 0x1.71547652b82fep0 + 0x1.8p52;\n"
    "    k = shifted.value - 0x1.8p52;\n"
    "    r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;\n"
    "    r2 = r * r;\n    r4 = r2 * r2;\n"
    "    a0 = 0x1.0000000000000p-1 + 0x1.5555555555555p-3 * r;\n"
    "    a1 = 0x1.5555555555555p-5 + 0x1.1111111111111p-7 * r;\n"
    "    a2 = 0x1.6c16c16c16c17p-10 + 0x1.a01a01a01a01ap-13 * r;\n"
    "    a3 = 0x1.a01a01a01a01ap-16 + 0x1.71de3a556c734p-19 * r;\n"
    "    a4 = 0x1.27e4fb7789f5cp-22 + 0x1.ae64567f544e4p-26 * r;\n"
    "    a5 = 0x1.1eed8eff8d898p-29 + 0x1.6124613a86d09p-33 * r;\n"
    "    tail = r2 * (((a0 + a1 * r2) + (a2 + a3 * r2) * r4) + (a4 + a5 * r2) * (r4 * r4));\n"
    "    power.bits = (shifted.bits + 1023u) << 52;\n"
    "    return 1 / (1 + (1 + (r + tail)) * power.value);\n}\n";

static void put_isotonic(const struct c_writer *w)
{
    const struct rs_calibrator *c = &w->m->calibrator;
    put_doubles(w, "knot_z", c->z, c->n);
    put_doubles(w, "knot_p", c->p, c->n);
    rs_buf_printf(w->out,
                  "\ndouble %s_risk(const float *x, unsigned cohort)\n{\n"
                  "    const double *kz = %s_knot_z, *kp = %s_knot_p;\n"
                  "    double z = %s_z(x, cohort), p;\n"
                  "    unsigned low = 0, high = %uu, middle;\n\n"
                  "    if (z <= kz[0])\n        return kp[0];\n"
                  "    if (z >= kz[high])\n        return kp[high];\n"
                  "    while (high - low > 1) {\n"
                  "        middle = low + (high - low) / 2;\n"
                  "        if (kz[middle] <= z)\n            low = middle;\n"
                  "        else\n            high = middle;\n    }\n"
                  "    p = kp[low] + (kp[high] - kp[low]) * ((z - kz[low]) / (kz[high] - kz[low]));\n"
                  "    return p < kp[high] ? p : kp[high];\n}\n",
                  w->name, w->name, w->name, w->name, c->n - 1);
}

static void put_sigmoid(const struct c_writer *w)
{
    const struct rs_calibrator *c = &w->m->calibrator;
    rs_buf_printf(w->out, sigmoid_code, w->name);
    if (c->kind == RS_BETA)
        rs_buf_printf(w->out,
                      "\nstatic double %s_softplus(double z)\n{\n"
                      "    return (z > 0 ? z : 0) + log1p(exp(-fabs(z)));\n}\n",
                      w->name);
    rs_buf_printf(w->out,
                  "\ndouble %s_risk(const float *x, unsigned cohort)\n{\n"
                  "    double z = %s_z(x, cohort);\n\n"
                  "    return %s_sigmoid(",
                  w->name, w->name, w->name);
    if (c->kind == RS_BETA)
        rs_buf_printf(w->out, "%.17g * %s_softplus(z) - %.17g * %s_softplus(-z) + %.17g", c->b, w->name, c->a, w->name,
                      c->c);
    else
        rs_buf_printf(w->out, "%.17g * z + %.17g", c->a, c->b);
    rs_buf_printf(w->out, ");\n}\n");
}

enum rs_status export_c(const struct rs_model *m, const char *name, struct rs_buf *out, struct rs_error *err)
{
    struct c_writer w = { m, *name ? name : "reseat", out };
    enum rs_status st = check_name(w.name, err);
    if (st < 0)
        return st;
    put_head(&w);
    rs_buf_printf(out, "double %s_risk(const float *x, unsigned cohort);\n\n", w.name);
    if (m->learner == RS_RBF_SVM)
        put_rbf(&w);
    else
        st = put_linear(&w, err);
    if (st < 0)
        return st;
    if (m->calibrator.kind == RS_ISOTONIC)
        put_isotonic(&w);
    else
        put_sigmoid(&w);
    return RS_OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PMML 4.4 (Data Mining Group 2019): a RegressionModel or a SupportVectorMachineModel that yields z, and an output
 * field `reseat_risk` that calibrates it (math.md X7). */
#include "predictor/export_private.h"

#define TOOL "reseat " /* what the model's meta says of the program, before its version */

/* Text of an attribute value. */
static void put_text(struct rs_buf *out, const char *text)
{
    for (const char *s = text; *s; s++)
        switch (*s) {
        case '&':
            rs_buf_printf(out, "&amp;");
            break;
        case '<':
            rs_buf_printf(out, "&lt;");
            break;
        case '>':
            rs_buf_printf(out, "&gt;");
            break;
        case '"':
            rs_buf_printf(out, "&quot;");
            break;
        default:
            rs_put_u8(out, (uint8_t)*s);
        }
}

/* before, the text escaped, behind */
static void put(struct rs_buf *out, const char *before, const char *text, const char *behind)
{
    rs_buf_printf(out, "%s", before);
    put_text(out, text);
    rs_buf_printf(out, "%s", behind);
}

/* Fields need names of their own: a feature called as an earlier one gets its number behind it. */
static const char *field_name(const struct rs_model *m, uint32_t j, char buf[EXPORT_NAME_MAX])
{
    char other[EXPORT_NAME_MAX];
    rs_step_name(&m->program, j, buf, EXPORT_NAME_MAX - 16);
    for (uint32_t i = 0; i < j; i++)
        if (rs_streq(buf, rs_step_name(&m->program, i, other, EXPORT_NAME_MAX - 16))) {
            size_t n = strlen(buf);
            snprintf(buf + n, EXPORT_NAME_MAX - n, " #%u", j);
            break;
        }
    return buf;
}

static void put_feature(struct rs_buf *out, const struct rs_model *m, uint32_t j, const char *before,
                        const char *behind)
{
    char name[EXPORT_NAME_MAX];
    put(out, before, field_name(m, j, name), behind);
}

static void put_dictionary(const struct rs_model *m, struct rs_buf *out)
{
    const struct rs_program *p = &m->program;
    rs_buf_printf(out, "  <DataDictionary numberOfFields=\"%u\">\n", p->n_steps + (m->n_deltas ? 2 : 1));
    for (uint32_t j = 0; j < p->n_steps; j++)
        put_feature(out, m, j, "    <DataField name=\"", "\" optype=\"continuous\" dataType=\"double\"/>\n");
    if (m->n_deltas) {
        rs_buf_printf(out, "    <DataField name=\"reseat_cohort\" optype=\"categorical\" dataType=\"string\">\n");
        for (uint32_t c = 0; c < p->n_cohorts; c++)
            put(out, "      <Value value=\"", p->cohorts[c].name, "\"/>\n");
        rs_buf_printf(out, "    </DataField>\n");
    }
    rs_buf_printf(out, "    <DataField name=\"reseat_target\" optype=\"continuous\" dataType=\"double\"/>\n"
                       "  </DataDictionary>\n");
}

static void put_schema(const struct rs_model *m, struct rs_buf *out)
{
    rs_buf_printf(out, "    <MiningSchema>\n");
    for (uint32_t j = 0; j < m->program.n_steps; j++)
        put_feature(out, m, j, "      <MiningField name=\"", "\"/>\n");
    if (m->n_deltas)
        rs_buf_printf(out, "      <MiningField name=\"reseat_cohort\"/>\n");
    rs_buf_printf(out, "      <MiningField name=\"reseat_target\" usageType=\"target\"/>\n    </MiningSchema>\n");
}

static void constant(struct rs_buf *out, double v)
{
    rs_buf_printf(out, "<Constant dataType=\"double\">%.17g</Constant>", v);
}

#define APPLY(f) "<Apply function=\"" f "\">"
#define END_APPLY "</Apply>"
#define FIELD_Z "<FieldRef field=\"reseat_z\"/>"

/* math.md M4: ln(1 + e^(sign z)) = max(sign z, 0) + ln(1 + e^(-|z|)) */
static void put_softplus(struct rs_buf *out, double sign)
{
    rs_buf_printf(out, APPLY("+") APPLY("max") APPLY("*"));
    constant(out, sign);
    rs_buf_printf(out, FIELD_Z END_APPLY);
    constant(out, 0);
    rs_buf_printf(out, END_APPLY APPLY("ln1p") APPLY("exp") APPLY("*"));
    constant(out, -1);
    rs_buf_printf(out, APPLY("abs") FIELD_Z END_APPLY END_APPLY END_APPLY END_APPLY END_APPLY);
}

static void put_times(struct rs_buf *out, double factor)
{
    rs_buf_printf(out, APPLY("*"));
    constant(out, factor);
}

/* The log odds of the risk. */
static void put_log_odds(struct rs_buf *out, const struct rs_calibrator *c)
{
    rs_buf_printf(out, APPLY("+"));
    if (c->kind == RS_BETA) {
        rs_buf_printf(out, APPLY("-"));
        put_times(out, c->b);
        put_softplus(out, 1);
        rs_buf_printf(out, END_APPLY);
        put_times(out, c->a);
        put_softplus(out, -1);
        rs_buf_printf(out, END_APPLY END_APPLY);
        constant(out, c->c);
    } else {
        put_times(out, c->a);
        rs_buf_printf(out, FIELD_Z END_APPLY);
        constant(out, c->b);
    }
    rs_buf_printf(out, END_APPLY);
}

static void put_isotonic(struct rs_buf *out, const struct rs_calibrator *c)
{
    if (c->n == 1) {
        constant(out, c->p[0]);
        return;
    }
    rs_buf_printf(out, "\n        <NormContinuous field=\"reseat_z\" outliers=\"asExtremeValues\">\n");
    for (uint32_t i = 0; i < c->n; i++)
        rs_buf_printf(out, "          <LinearNorm orig=\"%.17g\" norm=\"%.17g\"/>\n", c->z[i], c->p[i]);
    rs_buf_printf(out, "        </NormContinuous>\n      ");
}

static void put_output(const struct rs_model *m, struct rs_buf *out)
{
    rs_buf_printf(
        out,
        "    <Output>\n"
        "      <OutputField name=\"reseat_z\" optype=\"continuous\" dataType=\"double\" feature=\"predictedValue\"/>\n"
        "      <OutputField name=\"reseat_risk\" optype=\"continuous\" dataType=\"double\" "
        "feature=\"transformedValue\">");
    if (m->calibrator.kind == RS_ISOTONIC) {
        put_isotonic(out, &m->calibrator);
    } else {
        rs_buf_printf(out, APPLY("/"));
        constant(out, 1);
        rs_buf_printf(out, APPLY("+"));
        constant(out, 1);
        rs_buf_printf(out, APPLY("exp") APPLY("*"));
        constant(out, -1);
        put_log_odds(out, &m->calibrator);
        rs_buf_printf(out, END_APPLY END_APPLY END_APPLY END_APPLY);
    }
    rs_buf_printf(out, "</OutputField>\n    </Output>\n");
}

static bool is_below(const struct rs_program *p, uint32_t cohort, uint32_t above)
{
    while (cohort && cohort != above)
        cohort = p->cohorts[cohort].parent;
    return cohort == above;
}

/* 1 where the entity is in the cohort of the delta or in one nested in it. */
static void put_membership(const struct rs_model *m, const struct rs_cohort_delta *d, struct rs_buf *out)
{
    const struct rs_program *p = &m->program;
    rs_buf_printf(out,
                  "      <DerivedField name=\"reseat_in_%u\" optype=\"continuous\" dataType=\"double\">\n"
                  "        " APPLY("if") APPLY("isIn") "<FieldRef field=\"reseat_cohort\"/>",
                  d->cohort);
    for (uint32_t c = 0; c < p->n_cohorts; c++)
        if (is_below(p, c, d->cohort))
            put(out, "<Constant dataType=\"string\">", p->cohorts[c].name, "</Constant>");
    rs_buf_printf(out, END_APPLY);
    constant(out, 1);
    constant(out, 0);
    rs_buf_printf(out, END_APPLY "\n      </DerivedField>\n");
}

/* math.md X5: sum_j weight_j (x_j - mean_j) = sum_j weight_j x_j - sum_j weight_j mean_j */
static double moved_bias(const struct rs_model *m, double bias, const double *weight)
{
    for (uint32_t j = 0; weight && j < m->program.n_steps; j++)
        bias -= weight[j] * m->mean[j];
    return bias;
}

static void put_delta_terms(const struct rs_model *m, const struct rs_cohort_delta *d, struct rs_buf *out)
{
    rs_buf_printf(out, "      <NumericPredictor name=\"reseat_in_%u\" coefficient=\"%.17g\"/>\n", d->cohort,
                  moved_bias(m, d->bias, d->weight));
}

/* Terms of several fields come behind all others in a RegressionTable. */
static void put_delta_products(const struct rs_model *m, const struct rs_cohort_delta *d, struct rs_buf *out)
{
    for (uint32_t j = 0; d->weight && j < m->program.n_steps; j++) {
        if (d->weight[j] == 0)
            continue;
        rs_buf_printf(out, "      <PredictorTerm coefficient=\"%.17g\"><FieldRef field=\"reseat_in_%u\"/>",
                      d->weight[j], d->cohort);
        put_feature(out, m, j, "<FieldRef field=\"", "\"/></PredictorTerm>\n");
    }
}

static void put_regression(const struct rs_model *m, struct rs_buf *out)
{
    rs_buf_printf(out, "  <RegressionModel modelName=\"reseat\" functionName=\"regression\">\n");
    put_schema(m, out);
    put_output(m, out);
    if (m->n_deltas)
        rs_buf_printf(out, "    <LocalTransformations>\n");
    for (uint32_t i = 0; i < m->n_deltas; i++)
        put_membership(m, &m->deltas[i], out);
    if (m->n_deltas)
        rs_buf_printf(out, "    </LocalTransformations>\n");
    rs_buf_printf(out, "    <RegressionTable intercept=\"%.17g\">\n", moved_bias(m, m->bias, m->weight));
    for (uint32_t j = 0; j < m->program.n_steps; j++) {
        put_feature(out, m, j, "      <NumericPredictor name=\"", "\"");
        rs_buf_printf(out, " coefficient=\"%.17g\"/>\n", m->weight[j]);
    }
    for (uint32_t i = 0; i < m->n_deltas; i++)
        put_delta_terms(m, &m->deltas[i], out);
    for (uint32_t i = 0; i < m->n_deltas; i++)
        put_delta_products(m, &m->deltas[i], out);
    rs_buf_printf(out, "    </RegressionTable>\n  </RegressionModel>\n");
}

static void put_standardised(const struct rs_model *m, struct rs_buf *out)
{
    rs_buf_printf(out, "    <LocalTransformations>\n");
    for (uint32_t j = 0; j < m->program.n_steps; j++) {
        rs_buf_printf(out, "      <DerivedField name=\"reseat_x%u\" optype=\"continuous\" dataType=\"double\">", j);
        put_feature(out, m, j, APPLY("/") APPLY("-") "<FieldRef field=\"", "\"/>");
        constant(out, m->mean[j]);
        rs_buf_printf(out, END_APPLY);
        constant(out, m->scale[j]);
        rs_buf_printf(out, END_APPLY "</DerivedField>\n");
    }
    rs_buf_printf(out, "    </LocalTransformations>\n");
}

static void put_vectors(const struct rs_model *m, struct rs_buf *out)
{
    uint32_t d = m->program.n_steps, n = m->rbf.n_sv;
    rs_buf_printf(out, "    <VectorDictionary numberOfVectors=\"%u\">\n      <VectorFields numberOfFields=\"%u\">", n,
                  d);
    for (uint32_t j = 0; j < d; j++)
        rs_buf_printf(out, "<FieldRef field=\"reseat_x%u\"/>", j);
    rs_buf_printf(out, "</VectorFields>\n");
    for (uint32_t k = 0; k < n; k++) {
        rs_buf_printf(out, "      <VectorInstance id=\"%u\"><REAL-SparseArray n=\"%u\"><Indices>", k, d);
        for (uint32_t j = 0; j < d; j++)
            rs_buf_printf(out, "%s%u", j ? " " : "", j + 1);
        rs_buf_printf(out, "</Indices><REAL-Entries>");
        for (uint32_t j = 0; j < d; j++)
            rs_buf_printf(out, "%s%.17g", j ? " " : "", (double)m->rbf.sv[(size_t)k * d + j]);
        rs_buf_printf(out, "</REAL-Entries></REAL-SparseArray></VectorInstance>\n");
    }
    rs_buf_printf(out, "    </VectorDictionary>\n");
}

static void put_machine(const struct rs_model *m, struct rs_buf *out)
{
    rs_buf_printf(out, "  <SupportVectorMachineModel modelName=\"reseat\" functionName=\"regression\" "
                       "svmRepresentation=\"SupportVectors\">\n");
    put_schema(m, out);
    put_output(m, out);
    put_standardised(m, out);
    rs_buf_printf(out, "    <RadialBasisKernelType gamma=\"%.17g\"/>\n", m->rbf.gamma);
    put_vectors(m, out);
    rs_buf_printf(out, "    <SupportVectorMachine>\n      <SupportVectors numberOfSupportVectors=\"%u\">", m->rbf.n_sv);
    for (uint32_t k = 0; k < m->rbf.n_sv; k++)
        rs_buf_printf(out, "<SupportVector vectorId=\"%u\"/>", k);
    rs_buf_printf(out, "</SupportVectors>\n      <Coefficients absoluteValue=\"%.17g\">", m->bias);
    for (uint32_t k = 0; k < m->rbf.n_sv; k++)
        rs_buf_printf(out, "<Coefficient value=\"%.17g\"/>", m->rbf.coef[k]);
    rs_buf_printf(out, "</Coefficients>\n    </SupportVectorMachine>\n  </SupportVectorMachineModel>\n");
}

enum rs_status export_pmml(const struct rs_model *m, struct rs_buf *out, struct rs_error *err)
{
    (void)err;
    rs_buf_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                       "<PMML xmlns=\"http://www.dmg.org/PMML-4_4\" version=\"4.4\">\n"
                       "  <Header>\n");
    const char *version = strncmp(m->meta.tool, TOOL, strlen(TOOL)) == 0 ? m->meta.tool + strlen(TOOL) : m->meta.tool;
    put(out, "    <Application name=\"reseat\" version=\"", version, "\"/>\n  </Header>\n");
    put_dictionary(m, out);
    if (m->learner == RS_RBF_SVM)
        put_machine(m, out);
    else
        put_regression(m, out);
    rs_buf_printf(out, "</PMML>\n");
    return RS_OK;
}

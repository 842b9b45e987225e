/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text and JSON of cohort discovery. See discover_report.h. */
#include "predictor/discover_report.h"

#include <math.h>

#include "predictor/json.h"

#define NAME_MAX_SHOWN 160
#define Q_LEAST 1e-300

static const char *const skip_words[] = { "", "nearly-unique", "constant", "too-small", "within" };
static const char *singular(const struct rs_discovery_report *r)
{
    return rs_streq(r->noun, "hosts") ? "host" : rs_streq(r->noun, "components") ? "component" : "entity";
}

static const char *name_of(const struct rs_discovery_report *r, const struct rs_finding *f, char *out)
{
    rs_condition_text(r->units, &f->condition[0], out, NAME_MAX_SHOWN);
    size_t len = strlen(out);
    if (f->n_conditions == 2 && len + 8 < NAME_MAX_SHOWN) {
        memcpy(out + len, " and ", 6);
        rs_condition_text(r->units, &f->condition[1], out + len + 5, NAME_MAX_SHOWN - len - 5);
    }
    return out;
}

/* ---- text ---- */

/* "2.6 x (2.2-3.1)" */
static void print_ratio(const struct rs_ratio *r, FILE *to)
{
    if (isinf(r->high))
        fprintf(to, "%.3g x (%.2g or more)", r->ratio, r->low);
    else
        fprintf(to, "%.*f x (%.*f-%.*f)", r->ratio < 1 ? 2 : 1, r->ratio, r->high < 1 ? 2 : 1, r->low,
                r->high < 1 ? 2 : 1, r->high);
}

static void print_finding(const struct rs_discovery_report *r, const struct rs_finding *f, FILE *to)
{
    char name[NAME_MAX_SHOWN];
    fprintf(to, "%s: ", name_of(r, f, name));
    print_ratio(&f->ratio, to);
    fprintf(to, "%s, %llu of %llu %s failed, ", f->is_fewer ? " fewer" : "", (unsigned long long)f->n_failed,
            (unsigned long long)f->n_entities, r->noun);
    if (f->q < Q_LEAST)
        fprintf(to, "q < %.0e\n", Q_LEAST);
    else
        fprintf(to, "q = %.1g\n", f->q);
}

static void print_same(const struct rs_discovery_report *r, size_t leader, FILE *to)
{
    const struct rs_discovery *d = r->discovery;
    char name[NAME_MAX_SHOWN];
    for (size_t i = 0; i < d->n; i++)
        if (d->findings[i].same_as == (int)leader)
            fprintf(to, "      the same %s: %s (%llu of %llu failed)\n", r->noun, name_of(r, &d->findings[i], name),
                    (unsigned long long)d->findings[i].n_failed, (unsigned long long)d->findings[i].n_entities);
}

static void print_notes(const struct rs_discovery_report *r, const struct rs_finding *f, FILE *to)
{
    char name[NAME_MAX_SHOWN];
    if (f->explained_by >= 0) {
        fputs("      ", to);
        if (isnan(f->given.ratio))
            fputs("cannot be told apart", to);
        else
            print_ratio(&f->given, to);
        fprintf(to, " given %s\n", name_of(r, &r->discovery->findings[f->explained_by], name));
    }
    if (f->adjusted_for >= 0) {
        fputs("      ", to);
        print_ratio(&f->adjusted, to);
        fprintf(to, " within the same %s\n", r->units->attrs[f->adjusted_for].name);
    }
}

/* Those that stand, or those that are explained, up to the top. */
static void print_part(const struct rs_discovery_report *r, bool is_explained, FILE *to)
{
    const struct rs_discovery *d = r->discovery;
    uint64_t shown = 0, hidden = 0;
    for (size_t i = 0; i < d->n; i++) {
        const struct rs_finding *f = &d->findings[i];
        if (f->same_as >= 0 || (f->explained_by >= 0) != is_explained)
            continue;
        if (shown == r->top) {
            hidden++;
            continue;
        }
        if (shown++ == 0)
            fprintf(to, "\n%s\n", is_explained ? "Explained by a stronger finding" : "Findings");
        fputs("  ", to);
        print_finding(r, f, to);
        print_notes(r, f, to);
        print_same(r, i, to);
    }
    if (hidden)
        fprintf(to, "  %llu more; --top shows them\n", (unsigned long long)hidden);
}

static void print_skipped(const struct rs_discovery_report *r, FILE *to)
{
    bool has_any = false;
    for (uint32_t a = 0; a < r->units->n_attrs; a++) {
        enum rs_skip why = r->discovery->skipped[a];
        if (why == RS_SKIP_NOT)
            continue;
        fprintf(to, "%s  %s: ", has_any ? "" : "\nNot tested\n", r->units->attrs[a].name);
        has_any = true;
        if (why == RS_SKIP_UNIQUE)
            fprintf(to, "nearly every %s has its own value; it can point at no group", singular(r));
        else if (why == RS_SKIP_WITHIN)
            fputs("comparisons are made within its values", to);
        else
            fprintf(to, why == RS_SKIP_CONSTANT ? "all %s have the same value" : "no value has enough %s", r->noun);
        fputc('\n', to);
    }
}

void rs_discovery_text(const struct rs_discovery_report *r, FILE *to)
{
    const struct rs_discovery *d = r->discovery;
    fprintf(to, "%s: %llu of %llu %s failed in %.4g days at risk (%.3g a year each)\n", r->path,
            (unsigned long long)d->n_failed, (unsigned long long)d->n_entities, r->noun, d->time_days,
            (double)d->n_failed / d->time_days * 365.25);
    fprintf(to,
            "  %llu values and %llu pairs tested; of the findings, %g %% may be false; x: rate of failure over that "
            "of the rest",
            (unsigned long long)d->n_single, (unsigned long long)d->n_pair, 100 * r->opt->fdr);
    if (r->opt->within >= 0)
        fprintf(to, " of the same %s", r->units->attrs[r->opt->within].name);
    fputc('\n', to);
    if (r->n_unseen)
        fprintf(to, "  %llu without samples not counted\n", (unsigned long long)r->n_unseen);
    if (d->n == 0)
        fputs("\nNo value stands out.\n", to);
    print_part(r, false, to);
    print_part(r, true, to);
    if (d->n_left_out)
        fprintf(to, "\n%llu weaker findings left out\n", (unsigned long long)d->n_left_out);
    print_skipped(r, to);
}

/* ---- JSON ---- */

static json_t *ratio_json(const struct rs_ratio *r)
{
    return json_pack("{s:o, s:o, s:o}", "ratio", rs_json_number(r->ratio), "low", rs_json_number(r->low), "high",
                     rs_json_number(r->high));
}

static json_t *conditions_json(const struct rs_discovery_report *r, const struct rs_finding *f)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < f->n_conditions; i++) {
        const struct rs_condition *c = &f->condition[i];
        const struct rs_unit_attr *a = &r->units->attrs[c->attr];
        json_t *value = c->relation == RS_IS ? json_string(a->values[c->code]) : rs_json_number(a->edge[c->code]);
        static const char *const relations[] = { "=", ">", "<=" };
        list = rs_json_append(list, json_pack("{s:s, s:s, s:o}", "attribute", a->name, "relation",
                                              relations[c->relation], "value", value));
    }
    return list;
}

static json_t *index_json(int i)
{
    return i < 0 ? json_null() : json_integer(i);
}

static json_t *adjusted_json(const struct rs_discovery_report *r, const struct rs_finding *f)
{
    if (f->adjusted_for < 0)
        return json_null();
    json_t *o = ratio_json(&f->adjusted);
    if (o && json_object_set_new(o, "attribute", json_string(r->units->attrs[f->adjusted_for].name)) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *finding_json(const struct rs_discovery_report *r, const struct rs_finding *f)
{
    char name[NAME_MAX_SHOWN];
    return json_pack("{s:s, s:o, s:s, s:I, s:I, s:f, s:o, s:o, s:f, s:o, s:o, s:o, s:o}", "name", name_of(r, f, name),
                     "conditions", conditions_json(r, f), "direction", f->is_fewer ? "fewer" : "more", "entities",
                     (json_int_t)f->n_entities, "failed", (json_int_t)f->n_failed, "days_at_risk", f->time_days,
                     "rate_ratio", ratio_json(&f->ratio), "log_p", rs_json_number(f->log_p), "q", f->q, "given",
                     isnan(f->given.ratio) ? json_null() : ratio_json(&f->given), "explained_by",
                     index_json(f->explained_by), "same_as", index_json(f->same_as), "adjusted", adjusted_json(r, f));
}

static json_t *findings_json(const struct rs_discovery_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->discovery->n; i++)
        list = rs_json_append(list, finding_json(r, &r->discovery->findings[i]));
    return list;
}

static json_t *skipped_json(const struct rs_discovery_report *r)
{
    json_t *list = json_array();
    for (uint32_t a = 0; a < r->units->n_attrs; a++)
        if (r->discovery->skipped[a] != RS_SKIP_NOT)
            list = rs_json_append(list, json_pack("{s:s, s:s}", "attribute", r->units->attrs[a].name, "reason",
                                                  skip_words[r->discovery->skipped[a]]));
    return list;
}

json_t *rs_discovery_json(const struct rs_discovery_report *r)
{
    const struct rs_discovery *d = r->discovery;
    json_t *within = r->opt->within < 0 ? json_null() : json_string(r->units->attrs[r->opt->within].name);
    return json_pack("{s:s, s:I, s:I, s:I, s:f, s:I, s:I, s:f, s:f, s:o, s:I, s:o, s:o}", "fleet", r->path, "entities",
                     (json_int_t)d->n_entities, "entities_without_samples", (json_int_t)r->n_unseen, "failed",
                     (json_int_t)d->n_failed, "days_at_risk", d->time_days, "values_tested", (json_int_t)d->n_single,
                     "pairs_tested", (json_int_t)d->n_pair, "fdr", r->opt->fdr, "coverage", r->opt->coverage, "within",
                     within, "findings_left_out", (json_int_t)d->n_left_out, "findings", findings_json(r), "skipped",
                     skipped_json(r));
}

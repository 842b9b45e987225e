/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat hosts: the hosts with their risks; one host with its components and why its risk is what it is. */
#include "executor/cmd.h"

#include "executor/listing.h"
#include "executor/show.h"

static const char *flags(const json_t *h, char buf[128])
{
    size_t used = 0, i;
    json_t *reason;
    buf[0] = 0;
    if (json_is_true(json_object_get(h, "cordoned")))
        used = (size_t)snprintf(buf, 128, "cordoned");
    json_array_foreach(json_object_get(h, "reasons"), i, reason) used +=
        (size_t)snprintf(buf + used, 128 - used, "%s%s", used ? "," : "", json_string_value(reason));
    return *buf ? buf : "-";
}

static const char *const head[] = { "HOST", "RISK", "SAMPLE", "COHORT", "PARTS", "RACK", "FLAGS" };

static void add_host(struct rs_table *t, const json_t *h, double threshold)
{
    char risk[32], age[32], parts[48], marks[128];
    json_int_t n = json_integer_value(json_object_get(h, "components"));
    json_int_t unknown = json_integer_value(json_object_get(h, "components_unknown"));
    snprintf(parts, sizeof parts, unknown ? "%lld (%lld unknown)" : "%lld", (long long)n, (long long)unknown);
    rs_autofree char *fallen = NULL;
    const char *cohort = rs_show_text(h, "cohort");
    if (json_is_string(json_object_get(h, "fallback"))) {
        if (asprintf(&fallen, "%s (unseen %s)", cohort, rs_show_text(h, "fallback")) < 0)
            fallen = NULL;
        cohort = fallen ? fallen : cohort;
    }
    const json_t *p = json_object_get(h, "risk");
    bool is_at_risk = json_is_number(p) && json_number_value(p) >= threshold;
    const char *const cells[] = { rs_show_text(h, "id"),
                                  rs_show_risk(p, risk),
                                  rs_show_age(json_object_get(h, "telemetry_age_s"), age),
                                  cohort,
                                  parts,
                                  rs_show_text(h, "rack"),
                                  flags(h, marks) };
    rs_table_add(t, is_at_risk ? RS_RED : json_is_number(p) ? RS_PLAIN : RS_DIM, cells);
}

static void print_list(const json_t *answer)
{
    const json_t *limit = json_object_get(answer, "risk_threshold");
    double threshold = json_is_number(limit) ? json_number_value(limit) : 2; /* 2: no risk reaches it */
    struct rs_table t = { .n_columns = RS_LEN(head) };
    rs_table_add(&t, RS_BOLD, head);
    size_t i;
    json_t *h;
    json_array_foreach(json_object_get(answer, "hosts"), i, h) add_host(&t, h, threshold);
    rs_table_print(&t);
}

static void print_explanation(const json_t *x)
{
    struct rs_table t = { .n_columns = 4 };
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(x, "features"), i, c)
    {
        char odds[32], value[32], mean[48];
        double v = json_number_value(json_object_get(c, "log_odds"));
        snprintf(odds, sizeof odds, "    %+.3f", v);
        snprintf(value, sizeof value, "%.6g", json_number_value(json_object_get(c, "value")));
        snprintf(mean, sizeof mean, "(mean %.6g)", json_number_value(json_object_get(c, "mean")));
        const char *const cells[] = { odds, rs_show_text(c, "feature"), value, mean };
        rs_table_add(&t, v > 0.5 ? RS_RED : v < -0.5 ? RS_GREEN : RS_PLAIN, cells);
    }
    rs_table_print(&t);
}

static void print_entity(const json_t *e)
{
    char risk[32], age[32];
    const json_t *s = json_object_get(e, "support");
    printf("%s%s%s  own risk %s, newest sample %s ago%s\n", rs_colour(RS_BOLD), rs_show_text(e, "id"), rs_colour_end(),
           rs_show_risk(json_object_get(e, "own_risk"), risk), rs_show_age(json_object_get(e, "telemetry_age_s"), age),
           json_is_true(json_object_get(e, "stale")) ? " (stale)" : "");
    if (s && !json_is_null(s))
        printf("  cohort %s: %lld entities in training, %lld failed\n", rs_show_text(e, "cohort"),
               (long long)json_integer_value(json_object_get(s, "entities")),
               (long long)json_integer_value(json_object_get(s, "failing")));
    if (json_is_string(json_object_get(e, "fallback")))
        printf("  no training saw its %s: the cohort above speaks for it\n", rs_show_text(e, "fallback"));
    const json_t *x = json_object_get(e, "explanation");
    if (!json_is_object(x))
        return;
    puts("  what moves its log odds, strongest first:");
    print_explanation(x);
}

static void print_host(const json_t *h)
{
    char risk[32], base[32], marks[128];
    const json_t *v = json_object_get(h, "hypervisor");
    printf("%s%s%s  risk %s%s%s within its horizon (base rate %s)\n", rs_colour(RS_BOLD), rs_show_text(h, "id"),
           rs_colour_end(), rs_colour(RS_BOLD), rs_show_risk(json_object_get(h, "risk"), risk), rs_colour_end(),
           rs_show_risk(json_object_get(h, "base_rate"), base));
    if (json_is_true(json_object_get(v, "reachable")))
        printf("  %lld VMs, flags %s\n", (long long)json_integer_value(json_object_get(v, "vms")), flags(h, marks));
    else
        printf("  hypervisor: %s; flags %s\n", rs_show_text(v, "why"), flags(h, marks));
    print_entity(h);
    size_t i;
    json_t *part;
    json_array_foreach(json_object_get(h, "parts"), i, part) print_entity(part);
}

int rs_cmd_hosts(int argc, char **argv, const struct rs_verb *self)
{
    const struct rs_listing l = { .path = "/v1/hosts",
                                  .noun = "host",
                                  .limit = 1000,
                                  .limit_help = "At most so many hosts (default 1000).",
                                  .print_list = print_list,
                                  .print_one = print_host };
    return rs_listing_run(argc, argv, self, &l);
}

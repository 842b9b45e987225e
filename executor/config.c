/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads reseatd.yaml by the table in config.def: one function fills any section, and what a table cannot say (lists,
 * names that must not repeat) follows it. Works with common/yaml.h, the only door to libyaml. */
#include "executor/config.h"

#include <math.h>

#include "common/clock.h"
#include "common/yaml.h"

enum kind { TEXT, NAME, URI, BOOL, NUMBER, RISK, DURATION, COUNT, RATE, LEVEL, UNKNOWN, BLOCK };
enum section {
    SECTION_main,
    SECTION_telemetry,
    SECTION_policy,
    SECTION_migration,
    SECTION_vm_class,
    SECTION_host,
    SECTION_component
};

/* Where the table's fields live; a BLOCK has no field of its own. */
#define OF_main(f) offsetof(struct rs_config_main, f)
#define OF_telemetry(f) offsetof(struct rs_config_telemetry, f)
#define OF_policy(f) offsetof(struct rs_policy, f)
#define OF_migration(f) offsetof(struct rs_config_migration, f)
#define OF_vm_class(f) offsetof(struct rs_vm_class, f)
#define OF_host(f) offsetof(struct rs_config_host, f)
#define OF_component(f) offsetof(struct rs_config_component, f)
#define AT_TEXT(section, f) OF_##section(f)
#define AT_NAME(section, f) OF_##section(f)
#define AT_URI(section, f) OF_##section(f)
#define AT_BOOL(section, f) OF_##section(f)
#define AT_NUMBER(section, f) OF_##section(f)
#define AT_RISK(section, f) OF_##section(f)
#define AT_DURATION(section, f) OF_##section(f)
#define AT_COUNT(section, f) OF_##section(f)
#define AT_RATE(section, f) OF_##section(f)
#define AT_LEVEL(section, f) OF_##section(f)
#define AT_UNKNOWN(section, f) OF_##section(f)
#define AT_BLOCK(section, f) 0

struct key {
    enum kind kind;
    enum section section;
    size_t offset;
    const char *name, *fallback;
    double least, most;
    const char *help;
};

static const struct key keys[] = {
#define CONFIG(kind, section, field, name, fallback, least, most, help)                                                \
    { kind, SECTION_##section, AT_##kind(section, field), name, fallback, least, most, help },
#include "executor/config.def"
#undef CONFIG
};

static enum rs_status out_of_memory(struct rs_error *err)
{
    return rs_error_set(err, RS_ENOMEM, "configuration: out of memory");
}

static enum rs_status check_keys(const rs_yaml *y, const rs_yaml_node *n, enum section section, struct rs_error *err)
{
    const char *known[RS_LEN(keys) + 1] = { NULL };
    size_t k = 0;
    for (size_t i = 0; i < RS_LEN(keys); i++)
        if (keys[i].section == section)
            known[k++] = keys[i].name;
    return rs_yaml_check_keys(y, n, known, err);
}

/* Names stand in URLs, logs and tables: printable, without blanks or a slash. */
static bool is_name(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == '/' || *s == 0x7f)
            return false;
    return true;
}

/* "driver[+transport]://..."; whether libvirt likes it shows when it connects. */
static bool is_uri(const char *s)
{
    size_t scheme = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789+");
    return scheme > 0 && strncmp(s + scheme, "://", 3) == 0 && !strpbrk(s, " \t\r\n");
}

static enum rs_status read_text(const rs_yaml *y, const rs_yaml_node *n, const struct key *k, char **out,
                                struct rs_error *err)
{
    const char *s = k->fallback;
    enum rs_status st = n ? rs_yaml_str(y, n, &s, err) : RS_OK;
    if (st < 0)
        return st;
    size_t len = strlen(s);
    if (n && ((double)len < k->least || (double)len > k->most))
        return rs_yaml_error(y, n, err, "%s: %zu characters; %g to %g are possible", k->name, len, k->least, k->most);
    if (n && k->kind == NAME && !is_name(s))
        return rs_yaml_error(y, n, err, "%s: %s: blanks and slashes are not possible in a name", k->name, s);
    if (n && k->kind == URI && !is_uri(s))
        return rs_yaml_error(y, n, err, "%s: %s: a libvirt URI such as qemu+unix:///system is wanted here", k->name, s);
    free(*out);
    *out = strdup(s);
    return *out ? RS_OK : out_of_memory(err);
}

/* A class keeps its name in place, since the decision copies the struct. */
static enum rs_status read_class_name(const rs_yaml *y, const rs_yaml_node *n, const struct key *k, char *out,
                                      struct rs_error *err)
{
    rs_autofree char *s = NULL;
    enum rs_status st = read_text(y, n, k, &s, err);
    if (st == RS_OK)
        snprintf(out, sizeof((struct rs_vm_class *)0)->name, "%s", s);
    return st;
}

/* A number in the unit of its kind; scalar text comes from the file or is the table's default. */
static enum rs_status read_double(const rs_yaml *y, const rs_yaml_node *n, const struct key *k, double *out,
                                  struct rs_error *err)
{
    double v = 0;
    uint64_t size = 0;
    const char *s = "";
    enum rs_status st = rs_yaml_str(y, n, &s, err);
    if (st == RS_OK && k->kind == RISK && rs_streq(s, "model")) {
        *out = NAN;
        return RS_OK;
    }
    if (st == RS_OK && k->kind == DURATION) {
        st = rs_yaml_duration(y, n, &v, err);
    } else if (st == RS_OK && k->kind == RATE) {
        st = rs_yaml_size(y, n, &size, err);
        v = (double)size;
    } else if (st == RS_OK) {
        st = rs_yaml_double(y, n, &v, err);
    }
    if (st < 0)
        return st;
    if (v < k->least || v > k->most)
        return rs_yaml_error(y, n, err, "%s: %s: %g to %g%s is possible", k->name, s, k->least, k->most,
                             k->kind == DURATION ? " s" : "");
    *out = v;
    return RS_OK;
}

static enum rs_status read_count(const rs_yaml *y, const rs_yaml_node *n, const struct key *k, uint32_t *out,
                                 struct rs_error *err)
{
    uint64_t v;
    enum rs_status st = rs_yaml_u64(y, n, &v, err);
    if (st < 0)
        return st;
    if ((double)v < k->least || (double)v > k->most)
        return rs_yaml_error(y, n, err, "%s: %llu: %g to %g is possible", k->name, (unsigned long long)v, k->least,
                             k->most);
    *out = (uint32_t)v;
    return RS_OK;
}

static enum rs_status read_level(const rs_yaml *y, const rs_yaml_node *n, enum rs_log_level *out, struct rs_error *err)
{
    const char *s;
    enum rs_status st = rs_yaml_str(y, n, &s, err);
    if (st == RS_OK && rs_log_level_parse(s, out) != RS_OK)
        st = rs_yaml_error(y, n, err, "log_level: %s: debug, info, warn, error or none is wanted here", s);
    return st;
}

static enum rs_status read_unknown(const rs_yaml *y, const rs_yaml_node *n, bool *out, struct rs_error *err)
{
    const char *s;
    enum rs_status st = rs_yaml_str(y, n, &s, err);
    if (st == RS_OK && !rs_streq(s, "reject") && !rs_streq(s, "register"))
        st = rs_yaml_error(y, n, err, "unknown_entities: %s: reject or register is wanted here", s);
    if (st == RS_OK)
        *out = rs_streq(s, "register");
    return st;
}

/* A value that is no text: node is never NULL here. */
static enum rs_status read_value(const rs_yaml *y, const rs_yaml_node *n, const struct key *k, void *field,
                                 struct rs_error *err)
{
    switch (k->kind) {
    case BOOL:
        return rs_yaml_bool(y, n, field, err);
    case COUNT:
        return read_count(y, n, k, field, err);
    case LEVEL:
        return read_level(y, n, field, err);
    case UNKNOWN:
        return read_unknown(y, n, field, err);
    default:
        return read_double(y, n, k, field, err);
    }
}

/* The table's default goes through the same reader as the file's text. */
static enum rs_status read_fallback(const struct key *k, void *field, struct rs_error *err)
{
    RS_AUTO(rs_yaml) *y = NULL;
    enum rs_status st = rs_yaml_parse(k->fallback, strlen(k->fallback), "defaults", &y, err);
    return st < 0 ? st : read_value(y, rs_yaml_root(y), k, field, err);
}

static enum rs_status read_key(const rs_yaml *y, const rs_yaml_node *parent, const struct key *k, void *base,
                               struct rs_error *err)
{
    const rs_yaml_node *n = rs_yaml_get(parent, k->name);
    void *field = (char *)base + k->offset;
    if (!n && !k->fallback)
        return rs_yaml_error(y, parent, err, "%s is missing here", k->name);
    if (k->kind == NAME && k->section == SECTION_vm_class)
        return read_class_name(y, n, k, field, err);
    if (k->kind == TEXT || k->kind == NAME || k->kind == URI)
        return read_text(y, n, k, field, err);
    return n ? read_value(y, n, k, field, err) : read_fallback(k, field, err);
}

/* Fills the struct of one section; n NULL takes all defaults. */
static enum rs_status read_section(const rs_yaml *y, const rs_yaml_node *n, enum section section, void *base,
                                   struct rs_error *err)
{
    enum rs_status st = n ? check_keys(y, n, section, err) : RS_OK;
    for (size_t i = 0; st == RS_OK && i < RS_LEN(keys); i++)
        if (keys[i].section == section && keys[i].kind != BLOCK)
            st = read_key(y, n, &keys[i], base, err);
    return st;
}

/* The items of a list; n NULL is an empty one. */
static enum rs_status list_len(const rs_yaml *y, const rs_yaml_node *n, const char *what, size_t *out,
                               struct rs_error *err)
{
    bool is_empty = !n || (rs_yaml_kind(n) == RS_YAML_SCALAR);
    if (n && rs_yaml_kind(n) != RS_YAML_LIST)
        return rs_yaml_error(y, n, err, "%s: a list (- ...) is wanted here", what);
    *out = is_empty ? 0 : rs_yaml_len(n);
    return RS_OK;
}

static enum rs_status read_attrs(const rs_yaml *y, const rs_yaml_node *n, struct rs_config_attr **out, size_t *out_n,
                                 struct rs_error *err)
{
    if (!n)
        return RS_OK;
    if (rs_yaml_kind(n) != RS_YAML_MAP)
        return rs_yaml_error(y, n, err, "attributes: a mapping (name: value) is wanted here");
    size_t len = rs_yaml_len(n);
    if (!(*out = rs_alloc(len, sizeof **out)))
        return out_of_memory(err);
    *out_n = len;
    for (size_t i = 0; i < len; i++) {
        const char *value;
        enum rs_status st = rs_yaml_str(y, rs_yaml_item(n, i), &value, err);
        if (st < 0)
            return st;
        (*out)[i].name = strdup(rs_yaml_key(n, i));
        (*out)[i].value = strdup(value);
        if (!(*out)[i].name || !(*out)[i].value)
            return out_of_memory(err);
    }
    return RS_OK;
}

static enum rs_status read_reasons(const rs_yaml *y, const rs_yaml_node *n, struct rs_config_host *h,
                                   struct rs_error *err)
{
    size_t len;
    enum rs_status st = list_len(y, n, "reasons", &len, err);
    for (size_t i = 0; st == RS_OK && i < len; i++) {
        const rs_yaml_node *item = rs_yaml_item(n, i);
        const char *word;
        if ((st = rs_yaml_str(y, item, &word, err)) < 0)
            break;
        size_t r = 0;
        while (r < RS_REASONS && !rs_streq(word, rs_reason_name((enum rs_reason)r)))
            r++;
        if (r == RS_REASON_PREDICTED_FAILURE)
            return rs_yaml_error(y, item, err, "reasons: predicted-failure is the model's to say");
        if (r == RS_REASONS)
            return rs_yaml_error(y, item, err,
                                 "reasons: %s: security, planned-maintenance or improvement is wanted here", word);
        h->reasons[r] = true;
    }
    return st;
}

static enum rs_status read_components(const rs_yaml *y, const rs_yaml_node *n, struct rs_config_host *h,
                                      struct rs_error *err)
{
    size_t len;
    enum rs_status st = list_len(y, n, "components", &len, err);
    if (st < 0)
        return st;
    if (!(h->components = rs_alloc(len, sizeof *h->components)))
        return out_of_memory(err);
    h->n_components = len;
    for (size_t i = 0; st == RS_OK && i < len; i++) {
        const rs_yaml_node *item = rs_yaml_item(n, i);
        struct rs_config_component *c = &h->components[i];
        st = read_section(y, item, SECTION_component, c, err);
        if (st == RS_OK)
            st = read_attrs(y, rs_yaml_get(item, "attributes"), &c->attrs, &c->n_attrs, err);
    }
    return st;
}

static enum rs_status read_host(const rs_yaml *y, const rs_yaml_node *n, struct rs_config_host *h, struct rs_error *err)
{
    enum rs_status st = read_section(y, n, SECTION_host, h, err);
    if (st == RS_OK)
        st = read_reasons(y, rs_yaml_get(n, "reasons"), h, err);
    if (st == RS_OK)
        st = read_attrs(y, rs_yaml_get(n, "attributes"), &h->attrs, &h->n_attrs, err);
    if (st == RS_OK)
        st = read_components(y, rs_yaml_get(n, "components"), h, err);
    return st;
}

static enum rs_status read_hosts(const rs_yaml *y, const rs_yaml_node *n, rs_config *c, struct rs_error *err)
{
    size_t len;
    enum rs_status st = list_len(y, n, "hosts", &len, err);
    if (st < 0)
        return st;
    if (!(c->hosts = rs_alloc(len, sizeof *c->hosts)))
        return out_of_memory(err);
    c->n_hosts = len;
    for (size_t i = 0; st == RS_OK && i < len; i++)
        st = read_host(y, rs_yaml_item(n, i), &c->hosts[i], err);
    return st;
}

static enum rs_status read_classes(const rs_yaml *y, const rs_yaml_node *n, rs_config *c, struct rs_error *err)
{
    size_t len;
    enum rs_status st = list_len(y, n, "classes", &len, err);
    if (st < 0)
        return st;
    if (!(c->classes = rs_alloc(len + 1, sizeof *c->classes)))
        return out_of_memory(err);
    c->n_classes = len;
    for (size_t i = 0; st == RS_OK && i < len; i++) {
        const rs_yaml_node *item = rs_yaml_item(n, i);
        st = read_section(y, item, SECTION_vm_class, &c->classes[i], err);
        for (size_t k = 0; st == RS_OK && k < i; k++)
            if (rs_streq(c->classes[k].name, c->classes[i].name))
                st = rs_yaml_error(y, item, err, "class %s: given twice", c->classes[i].name);
    }
    return st;
}

/* The one class of a file that lists none: all defaults, named standard. */
static enum rs_status make_standard(rs_config *c, struct rs_error *err)
{
    RS_AUTO(rs_yaml) *y = NULL;
    static const char text[] = "name: standard";
    enum rs_status st = rs_yaml_parse(text, sizeof text - 1, "defaults", &y, err);
    if (st == RS_OK)
        st = read_section(y, rs_yaml_root(y), SECTION_vm_class, &c->classes[0], err);
    c->n_classes = 1;
    return st;
}

static enum rs_status find_default_class(const rs_yaml *y, const rs_yaml_node *root, rs_config *c, struct rs_error *err)
{
    for (c->default_class = 0; c->default_class < c->n_classes; c->default_class++)
        if (rs_streq(c->classes[c->default_class].name, c->main.default_class))
            return RS_OK;
    const rs_yaml_node *at = rs_yaml_get(root, "default_class");
    return rs_yaml_error(y, at ? at : rs_yaml_get(root, "classes"), err, "default_class: %s: no class of that name",
                         c->main.default_class);
}

/* What must be told apart: ids of hosts and components (telemetry names either), URIs (a VM must be on one host). */
struct taken {
    const char *text, *what;
    const rs_yaml_node *node;
};

static int by_text(const void *a, const void *b)
{
    const struct taken *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (x->node > y->node) - (x->node < y->node);
}

static enum rs_status check_once(const rs_yaml *y, struct taken *all, size_t n, struct rs_error *err)
{
    qsort(all, n, sizeof *all, by_text);
    for (size_t i = 1; i < n; i++) {
        if (!rs_streq(all[i - 1].text, all[i].text))
            continue;
        size_t a = rs_yaml_line(all[i - 1].node), b = rs_yaml_line(all[i].node);
        const rs_yaml_node *later = a > b ? all[i - 1].node : all[i].node;
        return rs_yaml_error(y, later, err, "%s %s: given twice, first in line %zu", all[i].what, all[i].text,
                             RS_MIN(a, b));
    }
    return RS_OK;
}

static enum rs_status check_hosts(const rs_yaml *y, const rs_yaml_node *hosts, const rs_config *c, struct rs_error *err)
{
    size_t n_ids = c->n_hosts, n_uris = 0, k = 0;
    for (size_t i = 0; i < c->n_hosts; i++)
        n_ids += c->hosts[i].n_components;
    rs_autofree struct taken *ids = rs_alloc(n_ids, sizeof *ids);
    rs_autofree struct taken *uris = rs_alloc(c->n_hosts, sizeof *uris);
    if (!ids || !uris)
        return out_of_memory(err);
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct rs_config_host *h = &c->hosts[i];
        const rs_yaml_node *n = rs_yaml_item(hosts, i);
        ids[k++] = (struct taken){ h->name, "host", rs_yaml_get(n, "name") };
        if (*h->uri)
            uris[n_uris++] = (struct taken){ h->uri, "uri", rs_yaml_get(n, "uri") };
        for (size_t m = 0; m < h->n_components; m++)
            ids[k++] = (struct taken){ h->components[m].id, "component",
                                       rs_yaml_get(rs_yaml_item(rs_yaml_get(n, "components"), m), "id") };
    }
    enum rs_status st = check_once(y, ids, n_ids, err);
    return st < 0 ? st : check_once(y, uris, n_uris, err);
}

static enum rs_status read_all(const rs_yaml *y, const rs_yaml_node *root, rs_config *c, struct rs_error *err)
{
    enum rs_status st = read_section(y, root, SECTION_main, &c->main, err);
    if (st == RS_OK)
        st = read_section(y, rs_yaml_get(root, "telemetry"), SECTION_telemetry, &c->telemetry, err);
    if (st == RS_OK)
        st = read_section(y, rs_yaml_get(root, "policy"), SECTION_policy, &c->policy, err);
    if (st == RS_OK)
        st = read_section(y, rs_yaml_get(root, "migration"), SECTION_migration, &c->migration, err);
    if (st == RS_OK)
        st = read_classes(y, rs_yaml_get(root, "classes"), c, err);
    if (st == RS_OK && c->n_classes == 0)
        st = make_standard(c, err);
    if (st == RS_OK)
        st = find_default_class(y, root, c, err);
    if (st == RS_OK)
        st = read_hosts(y, rs_yaml_get(root, "hosts"), c, err);
    if (st == RS_OK)
        st = check_hosts(y, rs_yaml_get(root, "hosts"), c, err);
    return st;
}

static enum rs_status from_yaml(const rs_yaml *y, rs_config **out, struct rs_error *err)
{
    RS_AUTO(rs_config) *c = rs_alloc(1, sizeof *c);
    if (!c)
        return out_of_memory(err);
    c->users = 1;
    enum rs_status st = read_all(y, rs_yaml_root(y), c, err);
    if (st < 0)
        return st;
    *out = rs_take(c);
    return RS_OK;
}

enum rs_status rs_config_load(const char *path, rs_config **out, struct rs_error *err)
{
    RS_AUTO(rs_yaml) *y = NULL;
    enum rs_status st = rs_yaml_load(path, &y, err);
    return st < 0 ? st : from_yaml(y, out, err);
}

enum rs_status rs_config_parse(const char *text, size_t len, const char *name, rs_config **out, struct rs_error *err)
{
    RS_AUTO(rs_yaml) *y = NULL;
    enum rs_status st = rs_yaml_parse(text, len, name, &y, err);
    return st < 0 ? st : from_yaml(y, out, err);
}

rs_config *rs_config_default(void)
{
    rs_config *c = NULL;
    return rs_config_parse("", 0, "defaults", &c, NULL) == RS_OK ? c : NULL;
}

static void free_attrs(struct rs_config_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(attrs[i].name);
        free(attrs[i].value);
    }
    free(attrs);
}

static void free_host(struct rs_config_host *h)
{
    free(h->name);
    free(h->uri);
    free(h->pool);
    free(h->rack);
    free_attrs(h->attrs, h->n_attrs);
    for (size_t i = 0; i < h->n_components; i++) {
        free(h->components[i].id);
        free_attrs(h->components[i].attrs, h->components[i].n_attrs);
    }
    free(h->components);
}

rs_config *rs_config_ref(rs_config *c)
{
    __atomic_add_fetch(&c->users, 1, __ATOMIC_RELAXED);
    return c;
}

void rs_config_unref(rs_config *c)
{
    if (!c || __atomic_sub_fetch(&c->users, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(c->main.state_dir);
    free(c->main.socket);
    free(c->main.model);
    free(c->main.default_class);
    free(c->classes);
    for (size_t i = 0; i < c->n_hosts; i++)
        free_host(&c->hosts[i]);
    free(c->hosts);
    free(c);
}

struct rs_policy rs_config_policy(const rs_config *c, double model_threshold)
{
    struct rs_policy p = c->policy;
    if (isnan(p.risk_threshold))
        p.risk_threshold = model_threshold;
    if (isnan(p.dest_risk_max))
        p.dest_risk_max = model_threshold;
    return p;
}

const struct rs_vm_class *rs_config_class(const rs_config *c, const char *name, bool *out_is_known)
{
    *out_is_known = !*name;
    for (size_t i = 0; *name && i < c->n_classes; i++) {
        if (rs_streq(c->classes[i].name, name)) {
            *out_is_known = true;
            return &c->classes[i];
        }
    }
    return &c->classes[c->default_class];
}

size_t rs_config_host(const rs_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_hosts; i++)
        if (rs_streq(c->hosts[i].name, name))
            return i;
    return SIZE_MAX;
}

enum rs_status rs_config_can_reload(const rs_config *a, const rs_config *b, struct rs_error *err)
{
    if (!rs_streq(a->main.state_dir, b->main.state_dir))
        return rs_error_set(err, RS_EUNSUPPORTED, "state_dir changes only with a restart");
    if (!rs_streq(a->main.socket, b->main.socket))
        return rs_error_set(err, RS_EUNSUPPORTED, "socket changes only with a restart");
    if (memcmp(&a->migration, &b->migration, sizeof a->migration) != 0)
        return rs_error_set(err, RS_EUNSUPPORTED, "migration changes only with a restart");
    /* Connections and running migrations know hosts by their place in the list. */
    bool is_same = a->n_hosts == b->n_hosts;
    for (size_t i = 0; is_same && i < a->n_hosts; i++)
        is_same = rs_streq(a->hosts[i].name, b->hosts[i].name) && rs_streq(a->hosts[i].uri, b->hosts[i].uri) &&
                  rs_streq(a->hosts[i].pool, b->hosts[i].pool);
    if (!is_same)
        return rs_error_set(err, RS_EUNSUPPORTED, "names, uris and pools of hosts change only with a restart");
    return RS_OK;
}

/* Double quotes with the two escapes that they need; control characters cannot be in a loaded text value's line. */
static void print_text(FILE *to, const char *s)
{
    fputc('"', to);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fputc('\\', to);
        fputc((unsigned char)*s < ' ' ? ' ' : *s, to);
    }
    fputc('"', to);
}

static void print_value(FILE *to, const struct key *k, const void *field)
{
    static const char *const levels[] = { "debug", "info", "warn", "error", "none" };
    char buf[RS_TIME_MAX];
    switch (k->kind) {
    case TEXT:
    case URI:
        print_text(to, *(char *const *)field);
        break;
    case NAME:
        print_text(to, k->section == SECTION_vm_class ? (const char *)field : *(char *const *)field);
        break;
    case BOOL:
        fputs(*(const bool *)field ? "true" : "false", to);
        break;
    case COUNT:
        fprintf(to, "%u", *(const uint32_t *)field);
        break;
    case LEVEL:
        fputs(levels[*(const enum rs_log_level *)field], to);
        break;
    case UNKNOWN:
        fputs(*(const bool *)field ? "register" : "reject", to);
        break;
    case DURATION:
        fputs(rs_duration_format(*(const double *)field, buf), to);
        break;
    case RATE:
        fprintf(to, "%.0f", *(const double *)field);
        break;
    default:
        if (isnan(*(const double *)field))
            fputs("model", to);
        else
            fprintf(to, "%.17g", *(const double *)field);
    }
}

/* The keys of one section, each with its comment; the first of a list item carries the dash. */
static void dump_section(FILE *to, enum section section, const void *base, int indent, bool is_item)
{
    for (size_t i = 0; i < RS_LEN(keys); i++) {
        const struct key *k = &keys[i];
        if (k->section != section || k->kind == BLOCK)
            continue;
        const void *field = (const char *)base + k->offset;
        if (k->kind == URI && !**(char *const *)field)
            continue;
        fprintf(to, "%*s%s%s: ", is_item ? indent - 2 : indent, "", is_item ? "- " : "", k->name);
        print_value(to, k, field);
        fprintf(to, "  # %s\n", k->help);
        is_item = false;
    }
}

static void dump_attrs(FILE *to, const struct rs_config_attr *attrs, size_t n, int indent)
{
    if (n)
        fprintf(to, "%*sattributes:\n", indent, "");
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "%*s", indent + 2, "");
        print_text(to, attrs[i].name);
        fputs(": ", to);
        print_text(to, attrs[i].value);
        fputc('\n', to);
    }
}

static void dump_host(FILE *to, const struct rs_config_host *h)
{
    dump_section(to, SECTION_host, h, 4, true);
    for (size_t r = 0, n = 0; r < RS_REASONS; r++)
        if (h->reasons[r])
            fprintf(to, "%s      - %s\n", n++ ? "" : "    reasons:\n", rs_reason_name((enum rs_reason)r));
    dump_attrs(to, h->attrs, h->n_attrs, 4);
    if (h->n_components)
        fputs("    components:\n", to);
    for (size_t i = 0; i < h->n_components; i++) {
        dump_section(to, SECTION_component, &h->components[i], 8, true);
        dump_attrs(to, h->components[i].attrs, h->components[i].n_attrs, 8);
    }
}

void rs_config_dump(const rs_config *c, FILE *to)
{
    dump_section(to, SECTION_main, &c->main, 0, false);
    fputs("telemetry:\n", to);
    dump_section(to, SECTION_telemetry, &c->telemetry, 2, false);
    fputs("policy:\n", to);
    dump_section(to, SECTION_policy, &c->policy, 2, false);
    fputs("migration:\n", to);
    dump_section(to, SECTION_migration, &c->migration, 2, false);
    fputs("classes:\n", to);
    for (size_t i = 0; i < c->n_classes; i++)
        dump_section(to, SECTION_vm_class, &c->classes[i], 4, true);
    if (c->n_hosts)
        fputs("hosts:\n", to);
    for (size_t i = 0; i < c->n_hosts; i++)
        dump_host(to, &c->hosts[i]);
}

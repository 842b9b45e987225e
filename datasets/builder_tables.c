/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables beside the samples. Their rows name entities and VMs by id; the file wants indices. Each join is a walk of
 * two sorted sequences side by side, so that memory stays flat whatever their number. */
#include "builder.h"

#include "datasets/builder_private.h"

#define TABLE_ROWS 8192u
#define COLUMNS_MAX 8

struct column {
    const char *path;
    enum rs_h5_type type;
};

struct table { /* one dataset per column */
    rs_h5_data *data[COLUMNS_MAX];
    size_t n;
};

static void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        rs_h5_data_free(t->data[i]);
}
#define auto_table __attribute__((cleanup(table_clear))) struct table

static enum rs_status table_create(rs_h5 *h, struct table *t, const struct column *columns, size_t n, size_t str_size,
                                   struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < n && st == RS_OK; i++) {
        struct rs_h5_shape shape = { .type = columns[i].type, .chunk_rows = TABLE_ROWS };
        shape.str_size = shape.type == RS_H5_STR ? str_size : 0;
        st = rs_h5_data_create(h, columns[i].path, &shape, &t->data[i], err);
        t->n = i + 1;
    }
    return st;
}

/* One row: a pointer to each column's value. */
static enum rs_status table_put(struct table *t, const void *const *values, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < t->n && st == RS_OK; i++)
        st = rs_h5_append(t->data[i], values[i], 1, err);
    return st;
}

static enum rs_status table_finish(struct table *t, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < t->n && st == RS_OK; i++)
        st = rs_h5_data_finish(t->data[i], err);
    return st;
}

/* The words of a table (causes, kinds, classes), sorted; *out_ranks is for turning codes into places among them. */
static enum rs_status put_words(rs_h5 *h, const char *path, const struct rs_intern *words, struct rs_ranking *out,
                                struct rs_error *err)
{
    if (!rs_ranking_make(words, out))
        return rs_error_set(err, RS_ENOMEM, "no memory for %s", path);
    return rs_h5_put_texts(h, path, out->sorted, out->n, err);
}

static int32_t ranked(const struct rs_ranking *r, int32_t code)
{
    return code < 0 ? -1 : r->rank[code];
}

/* References to entities, resolved: each tag's rows go on to the sorter that brings them into the file's order. */

struct resolved {
    rs_sorter *parents;               /* key: component; payload: host */
    rs_sorter *placements;            /* key: VM id, start; payload: struct rs_placement_record */
    rs_sorter *spans[RS_SPAN_TABLES]; /* key: as struct span_table says; payload: struct rs_span_record */
};

/* How a table of spans stands in the file. */
struct span_table {
    const char *group, *start, *code, *words;
    const char *more; /* one more column, of the end or (a double) the value; NULL: none */
    enum rs_h5_type more_type;
    bool is_by_entity; /* sorted by entity, then start, so that it can be read along with the entities; else by start */
};
static const struct span_table span_tables[RS_SPAN_TABLES] = {
    [RS_SPAN_MAINTENANCE] = { "/maintenance", "start", "kind", "kinds", "end", RS_H5_I64, false },
    [RS_SPAN_TRUTH] = { "/truth", "time", "cause", "causes", "value", RS_H5_F64, false },
    [RS_SPAN_EVENTS] = { "/events", "time", "kind", "kinds", NULL, RS_H5_I64, true },
    [RS_SPAN_MITIGATIONS] = { "/mitigations", "time", "kind", "kinds", "until", RS_H5_I64, true },
};

static void resolved_clear(struct resolved *r)
{
    rs_sorter_free(r->parents);
    rs_sorter_free(r->placements);
    for (size_t i = 0; i < RS_SPAN_TABLES; i++)
        rs_sorter_free(r->spans[i]);
}

static enum rs_status resolve_span(rs_builder *b, struct resolved *r, size_t which, const struct rs_sort_record *ref,
                                   uint64_t entity, struct rs_error *err)
{
    if (which >= RS_SPAN_TABLES)
        return rs_error_set(err, RS_EINTERNAL, "a reference of an unknown kind");
    rs_sorter **table = &r->spans[which];
    bool is_by_entity = span_tables[which].is_by_entity;
    struct rs_span_record span;
    memcpy(&span, ref->payload, sizeof span);
    uint64_t start = rs_key_of_i64(span.start),
             key[2] = { is_by_entity ? entity : start, is_by_entity ? start : entity };
    enum rs_status st = rs_builder_table(b, table, err);
    return st == RS_OK ? rs_sorter_add(*table, key, 2, &span, sizeof span, err) : st;
}

static enum rs_status resolve_placement(rs_builder *b, rs_sorter **table, const struct rs_sort_record *ref,
                                        uint64_t entity, struct rs_error *err)
{
    uint64_t key[RS_KEY_WORDS];
    struct rs_placement_record p;
    memcpy(&p, ref->payload, ref->len);
    p.host = (int64_t)entity;
    size_t words = (ref->len - offsetof(struct rs_placement_record, vm)) / sizeof *p.vm;
    memcpy(key, p.vm, words * sizeof *key);
    key[words++] = rs_key_of_i64(p.start);
    enum rs_status st = rs_builder_table(b, table, err);
    return st == RS_OK ? rs_sorter_add(*table, key, words, &p, offsetof(struct rs_placement_record, vm), err) : st;
}

static enum rs_status resolve(rs_builder *b, struct resolved *r, const struct rs_sort_record *ref, uint64_t entity,
                              struct rs_error *err)
{
    uint64_t tag = ref->key[ref->n_words - 1], component;
    if (tag == RS_REF_PLACEMENT)
        return resolve_placement(b, &r->placements, ref, entity, err);
    if (tag != RS_REF_PARENT)
        return resolve_span(b, r, (size_t)(tag - RS_REF_SPAN), ref, entity, err);
    memcpy(&component, ref->payload, sizeof component);
    enum rs_status st = rs_builder_table(b, &r->parents, err);
    return st == RS_OK ? rs_sorter_add(r->parents, &component, 1, &entity, sizeof entity, err) : st;
}

/* The ids in the file, one after the other. */
struct id_walk {
    rs_h5_data *ids;
    uint64_t next, index; /* index: of the id in key */
    uint64_t key[RS_KEY_WORDS];
    size_t n_words;
    char *padded; /* id_size + 1 */
};

static enum rs_status walk_to(struct id_walk *walk, const uint64_t *key, size_t n_words, struct rs_error *err)
{
    while (n_words != walk->n_words || memcmp(key, walk->key, n_words * sizeof *key) != 0) {
        if (walk->next == rs_h5_rows(walk->ids))
            return rs_error_set(err, RS_EINTERNAL, "an entity that is referred to was never declared");
        enum rs_status st = rs_h5_read(walk->ids, walk->next, 1, walk->padded, err);
        if (st < 0)
            return st;
        walk->n_words = rs_key_put_id(walk->key, walk->padded, strlen(walk->padded));
        walk->index = walk->next++;
    }
    return RS_OK;
}

static enum rs_status resolve_refs(rs_builder *b, rs_h5 *h, struct resolved *r, struct rs_error *err)
{
    if (!b->refs)
        return RS_OK;
    RS_AUTO(rs_h5_data) *ids = NULL;
    rs_autofree char *padded = rs_alloc(b->id_size + 1, 1);
    struct id_walk walk = { .padded = padded };
    enum rs_status st = padded ? rs_sorter_sort(b->refs, err) : rs_error_set(err, RS_ENOMEM, "no memory for ids");
    if (st == RS_OK)
        st = rs_h5_data_open(h, "/entities/id", RS_H5_STR, 0, &ids, err);
    walk.ids = ids;
    struct rs_sort_record ref;
    while (st == RS_OK && (st = rs_sorter_next(b->refs, &ref, err)) == RS_CONTINUE) {
        st = walk_to(&walk, ref.key, ref.n_words - 1, err);
        if (st == RS_OK)
            st = resolve(b, r, &ref, walk.index, err);
    }
    return st;
}

/* The tables. */

static enum rs_status write_parents(rs_h5 *h, rs_sorter *parents, uint64_t n_entities, struct rs_error *err)
{
    static const struct column columns[] = { { "/entities/parent", RS_H5_I64 } };
    auto_table t = { .n = 0 };
    struct rs_sort_record r = { .n_words = 0 };
    enum rs_status st = table_create(h, &t, columns, RS_LEN(columns), 0, err);
    if (st == RS_OK && parents)
        st = rs_sorter_sort(parents, err);
    if (st == RS_OK && parents)
        st = rs_sorter_next(parents, &r, err);
    bool has_more = st == RS_CONTINUE;
    for (uint64_t i = 0; i < n_entities && st >= 0; i++) {
        int64_t parent = -1;
        if (has_more && r.key[0] == i) {
            memcpy(&parent, r.payload, sizeof parent);
            st = rs_sorter_next(parents, &r, err);
            has_more = st == RS_CONTINUE;
        }
        if (st >= 0)
            st = rs_h5_append(t.data[0], &parent, 1, err);
    }
    return st < 0 ? st : table_finish(&t, err);
}

static enum rs_status create_spans(rs_h5 *h, const struct span_table *s, const struct rs_intern *words,
                                   struct rs_ranking *out_codes, struct table *out, struct rs_error *err)
{
    char paths[5][64];
    const char *const names[] = { "entity", s->start, s->code, s->words, s->more };
    for (size_t i = 0; i < RS_LEN(names); i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", s->group, names[i] ? names[i] : "");
    const struct column columns[] = {
        { paths[0], RS_H5_I64 }, { paths[1], RS_H5_I64 }, { paths[2], RS_H5_I32 }, { paths[4], s->more_type }
    };
    enum rs_status st = rs_h5_group(h, s->group, err);
    if (st == RS_OK)
        st = put_words(h, paths[3], words, out_codes, err);
    return st == RS_OK ? table_create(h, out, columns, s->more ? 4 : 3, 0, err) : st;
}

static enum rs_status write_spans(rs_h5 *h, const struct span_table *s, const struct rs_intern *words, rs_sorter *rows,
                                  struct rs_error *err)
{
    auto_table t = { .n = 0 };
    rs_auto_ranking codes = { 0 };
    struct rs_sort_record r;
    enum rs_status st = create_spans(h, s, words, &codes, &t, err);
    if (st == RS_OK && rows)
        st = rs_sorter_sort(rows, err);
    while (rows && st == RS_OK && (st = rs_sorter_next(rows, &r, err)) == RS_CONTINUE) {
        struct rs_span_record span;
        memcpy(&span, r.payload, sizeof span);
        int32_t code = ranked(&codes, span.code);
        const void *more = s->more_type == RS_H5_F64 ? (const void *)&span.value : &span.end;
        st = table_put(&t, (const void *[]){ &r.key[s->is_by_entity ? 0 : 1], &span.start, &code, more }, err);
    }
    return st < 0 ? st : table_finish(&t, err);
}

static enum rs_status write_all_spans(rs_builder *b, rs_h5 *h, const struct resolved *r, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    for (size_t i = 0; i < RS_SPAN_TABLES && st == RS_OK; i++)
        st = write_spans(h, &span_tables[i], &b->span_words[i], r->spans[i], err);
    if (st == RS_OK && b->control_share > 0)
        st = rs_h5_put_f64(h, "/mitigations", "control_share", b->control_share, err);
    return st;
}

/* A sorted sequence that another one is walked beside. */
struct side {
    rs_sorter *sorter; /* NULL: empty */
    struct rs_sort_record r;
    bool has_more;
};

static enum rs_status side_next(struct side *s, struct rs_error *err)
{
    enum rs_status st = s->sorter ? rs_sorter_next(s->sorter, &s->r, err) : RS_OK;
    s->has_more = st == RS_CONTINUE;
    return st < 0 ? st : RS_OK;
}

static enum rs_status side_start(struct side *s, rs_sorter *sorter, struct rs_error *err)
{
    s->sorter = sorter;
    enum rs_status st = sorter ? rs_sorter_sort(sorter, err) : RS_OK;
    return st == RS_OK ? side_next(s, err) : st;
}

/* Whether the side's next row (key: VM id, one more word) is of this VM. */
static bool side_is_of(const struct side *s, const uint64_t *vm, size_t n_words)
{
    return s->has_more && s->r.n_words == n_words + 1 && memcmp(s->r.key, vm, n_words * sizeof *vm) == 0;
}

static enum rs_status check_used_up(const struct side *s, const char *what, struct rs_error *err)
{
    char id[256];
    size_t len;
    if (!s->has_more)
        return RS_OK;
    rs_key_get_id(s->r.key, s->r.n_words - 1, id, &len);
    return rs_error_set(err, RS_EINVAL, "%s of VM %.*s, which was not declared", what, (int)len, id);
}

struct vm_tables {
    struct table vms, placements;
    struct rs_ranking classes;
    struct side vm, placement, reboot;
    rs_sorter *reboots; /* key: time, VM; payload: cause */
    size_t id_size;
    uint64_t n;
};

static void vm_tables_clear(struct vm_tables *v)
{
    table_clear(&v->vms);
    table_clear(&v->placements);
    rs_ranking_clear(&v->classes);
    rs_sorter_free(v->reboots);
}

static enum rs_status write_placements(struct vm_tables *v, const uint64_t *vm, size_t n_words, struct rs_error *err)
{
    enum rs_status st = RS_OK;
    while (st == RS_OK && side_is_of(&v->placement, vm, n_words)) {
        struct rs_placement_record p;
        memcpy(&p, v->placement.r.payload, offsetof(struct rs_placement_record, vm));
        st = table_put(&v->placements, (const void *[]){ &v->n, &p.host, &p.start, &p.end }, err);
        if (st == RS_OK)
            st = side_next(&v->placement, err);
    }
    return st;
}

static enum rs_status sort_reboots(rs_builder *b, struct vm_tables *v, const uint64_t *vm, size_t n_words,
                                   struct rs_error *err)
{
    enum rs_status st = RS_OK;
    while (st == RS_OK && side_is_of(&v->reboot, vm, n_words)) {
        uint64_t key[2] = { v->reboot.r.key[n_words], v->n };
        st = rs_builder_table(b, &v->reboots, err);
        if (st == RS_OK)
            st = rs_sorter_add(v->reboots, key, 2, v->reboot.r.payload, v->reboot.r.len, err);
        if (st == RS_OK)
            st = side_next(&v->reboot, err);
    }
    return st;
}

/* The VM at hand; of several declarations of one id the last counts. */
static enum rs_status write_vm(rs_builder *b, struct vm_tables *v, struct rs_error *err)
{
    uint64_t key[RS_KEY_WORDS];
    size_t n_words = v->vm.r.n_words, len;
    struct rs_vm_record vm = { .vcpus = 0 };
    char id[256] = "";
    memcpy(key, v->vm.r.key, n_words * sizeof *key);
    rs_key_get_id(key, n_words, id, &len);
    enum rs_status st = RS_OK;
    while (st == RS_OK && v->vm.has_more && v->vm.r.n_words == n_words &&
           memcmp(v->vm.r.key, key, n_words * sizeof *key) == 0) {
        memcpy(&vm, v->vm.r.payload, sizeof vm);
        st = side_next(&v->vm, err);
    }
    int32_t vm_class = ranked(&v->classes, vm.vm_class);
    if (st == RS_OK)
        st = table_put(
            &v->vms,
            (const void *[]){ id, &vm_class, &vm.vcpus, &vm.memory_bytes, &vm.disk_bytes, &vm.temp_bytes, &vm.slo },
            err);
    if (st == RS_OK)
        st = write_placements(v, key, n_words, err);
    if (st == RS_OK)
        st = sort_reboots(b, v, key, n_words, err);
    v->n++;
    return st;
}

static enum rs_status create_vm_tables(rs_builder *b, rs_h5 *h, struct vm_tables *v, struct rs_error *err)
{
    static const struct column vms[] = {
        { "/vms/id", RS_H5_STR },           { "/vms/class", RS_H5_I32 },      { "/vms/vcpus", RS_H5_U32 },
        { "/vms/memory_bytes", RS_H5_U64 }, { "/vms/disk_bytes", RS_H5_U64 }, { "/vms/temp_bytes", RS_H5_U64 },
        { "/vms/slo", RS_H5_F64 },
    };
    static const struct column placements[] = { { "/vms/placement/vm", RS_H5_I64 },
                                                { "/vms/placement/host", RS_H5_I64 },
                                                { "/vms/placement/start", RS_H5_I64 },
                                                { "/vms/placement/end", RS_H5_I64 } };
    enum rs_status st = rs_h5_group(h, "/vms", err);
    if (st == RS_OK)
        st = rs_h5_group(h, "/vms/placement", err);
    if (st == RS_OK)
        st = put_words(h, "/vms/classes", &b->vm_classes, &v->classes, err);
    if (st == RS_OK)
        st = table_create(h, &v->vms, vms, RS_LEN(vms), b->vm_id_size, err);
    if (st == RS_OK)
        st = table_create(h, &v->placements, placements, RS_LEN(placements), 0, err);
    return st;
}

static enum rs_status write_reboots(rs_builder *b, rs_h5 *h, rs_sorter *rows, struct rs_error *err)
{
    static const struct column columns[] = { { "/reboots/vm", RS_H5_I64 },
                                             { "/reboots/time", RS_H5_I64 },
                                             { "/reboots/cause", RS_H5_I32 } };
    auto_table t = { .n = 0 };
    rs_auto_ranking causes = { 0 };
    struct rs_sort_record r;
    enum rs_status st = rs_h5_group(h, "/reboots", err);
    if (st == RS_OK)
        st = put_words(h, "/reboots/causes", &b->reboot_causes, &causes, err);
    if (st == RS_OK)
        st = table_create(h, &t, columns, RS_LEN(columns), 0, err);
    if (st == RS_OK && rows)
        st = rs_sorter_sort(rows, err);
    while (rows && st == RS_OK && (st = rs_sorter_next(rows, &r, err)) == RS_CONTINUE) {
        int64_t time = rs_key_to_i64(r.key[0]);
        int32_t code;
        memcpy(&code, r.payload, sizeof code);
        int32_t cause = ranked(&causes, code);
        st = table_put(&t, (const void *[]){ &r.key[1], &time, &cause }, err);
    }
    return st < 0 ? st : table_finish(&t, err);
}

static enum rs_status write_vms(rs_builder *b, rs_h5 *h, rs_sorter *placements, struct rs_error *err)
{
    struct vm_tables v __attribute__((cleanup(vm_tables_clear))) = { .n = 0 };
    enum rs_status st = create_vm_tables(b, h, &v, err);
    if (st == RS_OK)
        st = side_start(&v.vm, b->vms, err);
    if (st == RS_OK)
        st = side_start(&v.placement, placements, err);
    if (st == RS_OK)
        st = side_start(&v.reboot, b->reboots, err);
    while (st == RS_OK && v.vm.has_more)
        st = write_vm(b, &v, err);
    if (st == RS_OK)
        st = check_used_up(&v.placement, "a placement", err);
    if (st == RS_OK)
        st = check_used_up(&v.reboot, "a reboot", err);
    if (st == RS_OK)
        st = table_finish(&v.vms, err);
    if (st == RS_OK)
        st = table_finish(&v.placements, err);
    return st == RS_OK ? write_reboots(b, h, v.reboots, err) : st;
}

enum rs_status rs_builder_write_tables(rs_builder *b, rs_fleet_writer *w, struct rs_error *err)
{
    struct resolved r __attribute__((cleanup(resolved_clear))) = { .parents = NULL };
    rs_h5 *h = rs_fleet_writer_file(w);
    enum rs_status st = resolve_refs(b, h, &r, err);
    if (st == RS_OK)
        st = write_parents(h, r.parents, rs_fleet_writer_entities(w), err);
    if (st == RS_OK)
        st = write_all_spans(b, h, &r, err);
    return st == RS_OK ? write_vms(b, h, r.placements, err) : st;
}

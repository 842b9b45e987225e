/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The builder's intake: declarations, rows, failures and side tables, each checked and put into a sorter. */
#include "builder.h"

#include <libgen.h>
#include <math.h>

#include "datasets/builder_private.h"

#define DEFAULT_MEMORY ((size_t)96 << 20)
#define TABLE_MEMORY ((size_t)1 << 20)

static enum rs_status set_paths(rs_builder *b, const char *path, struct rs_error *err)
{
    rs_autofree char *copy = strdup(path);
    b->path = strdup(path);
    b->folder = copy ? strdup(dirname(copy)) : NULL;
    if (!b->path || !b->folder)
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to build it", path);
    if (access(b->folder, W_OK | X_OK) < 0)
        return rs_error_errno(err, errno == ENOENT ? RS_ENOTFOUND : RS_EIO, "%s: folder %s", path, b->folder);
    return RS_OK;
}

enum rs_status rs_builder_new(const char *path, const struct rs_builder_options *opt, rs_builder **out,
                              struct rs_error *err)
{
    RS_AUTO(rs_builder) *b = rs_alloc(1, sizeof *b);
    if (!b)
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to build it", path);
    b->opt = *opt;
    b->id_size = b->vm_id_size = 1;
    b->source = strdup(opt->source ? opt->source : "");
    b->code = rs_rowcode_new();
    b->signals = rs_alloc(RS_SIGNALS_MAX, sizeof *b->signals);
    b->columns = rs_alloc(RS_ATTRS_MAX, sizeof *b->columns);
    if (!b->source || !b->code || !b->signals || !b->columns)
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to build it", path);
    enum rs_status st = set_paths(b, path, err);
    if (st == RS_OK)
        st = rs_sorter_new(b->folder, opt->memory ? opt->memory : DEFAULT_MEMORY, &b->rows, err);
    if (st == RS_OK)
        *out = rs_take(b);
    return st;
}

void rs_builder_free(rs_builder *b)
{
    if (!b)
        return;
    if (b->partial)
        unlink(b->partial);
    for (uint32_t i = 0; i < b->signal_names.n; i++)
        free(b->signals[i].unit);
    for (uint32_t i = 0; i < b->column_names.n; i++)
        rs_intern_clear(&b->columns[i].values);
    struct rs_intern *interns[] = { &b->signal_names, &b->column_names, &b->failure_kinds, &b->vm_classes,
                                    &b->reboot_causes };
    for (size_t i = 0; i < RS_LEN(interns); i++)
        rs_intern_clear(interns[i]);
    for (size_t i = 0; i < RS_SPAN_TABLES; i++)
        rs_intern_clear(&b->span_words[i]);
    rs_sorter_free(b->rows);
    rs_sorter_free(b->refs);
    rs_sorter_free(b->vms);
    rs_sorter_free(b->reboots);
    rs_rowcode_free(b->code);
    free(b->signals);
    free(b->columns);
    free(b->path);
    free(b->folder);
    free(b->partial);
    free(b->source);
    free(b);
}

/* Declarations. */

static enum rs_status declare(struct rs_intern *names, const char *what, const char *name, uint32_t max, uint32_t *out,
                              bool *out_is_new, struct rs_error *err)
{
    size_t len = strlen(name);
    *out = rs_intern_find(names, name, len);
    *out_is_new = *out == RS_INTERN_NONE;
    if (!*out_is_new)
        return RS_OK;
    if (len == 0 || len >= RS_NAME_MAX)
        return rs_error_set(err, RS_EINVAL, "%s name of %zu bytes; 1 to %d needed", what, len, RS_NAME_MAX - 1);
    if (names->n == max)
        return rs_error_set(err, RS_EINVAL, "%s %s: more than %u of them", what, name, max);
    *out = rs_intern_add(names, name, len);
    return *out == RS_INTERN_NONE ? rs_error_set(err, RS_ENOMEM, "no memory for %s %s", what, name) : RS_OK;
}

enum rs_status rs_builder_signal(rs_builder *b, const char *name, const char *unit, enum rs_signal_kind kind,
                                 uint32_t *out, struct rs_error *err)
{
    bool is_new;
    enum rs_status st = declare(&b->signal_names, "signal", name, RS_SIGNALS_MAX, out, &is_new, err);
    if (st < 0 || !is_new)
        return st;
    b->signals[*out] = (struct rs_signal){ .unit = strndup(unit ? unit : "", RS_NAME_MAX - 1), .kind = kind };
    return b->signals[*out].unit ? RS_OK : rs_error_set(err, RS_ENOMEM, "no memory for signal %s", name);
}

enum rs_status rs_builder_attr(rs_builder *b, const char *name, bool is_number, uint32_t *out, struct rs_error *err)
{
    bool is_new;
    enum rs_status st = declare(&b->column_names, "attribute", name, RS_ATTRS_MAX, out, &is_new, err);
    if (st == RS_OK && is_new)
        b->columns[*out] = (struct rs_column){ .name = b->column_names.strings[*out], .is_number = is_number };
    return st;
}

/* Rows. */

static enum rs_status check_id(const char *what, const char *id, size_t len, struct rs_error *err)
{
    if (len == 0 || len > RS_ID_MAX)
        return rs_error_set(err, RS_EINVAL, "%s of %zu bytes; 1 to %d needed", what, len, RS_ID_MAX);
    if (memchr(id, 0, len))
        return rs_error_set(err, RS_EINVAL, "%s holds a NUL byte", what);
    return RS_OK;
}

/* The number of a word such as a failure kind; -1 for none. */
static enum rs_status code_of(struct rs_intern *t, const char *what, const char *word, int32_t *out,
                              struct rs_error *err)
{
    *out = -1;
    if (!word || !*word)
        return RS_OK;
    uint32_t code;
    bool is_new;
    enum rs_status st = declare(t, what, word, RS_ATTR_VALUES_MAX, &code, &is_new, err);
    if (st == RS_OK)
        *out = (int32_t)code;
    return st;
}

static enum rs_status mention(rs_builder *b, const char *id, size_t len, struct rs_error *err)
{
    uint64_t key[RS_KEY_WORDS];
    uint8_t payload[1];
    enum rs_status st = check_id("an entity id", id, len, err);
    if (st < 0)
        return st;
    size_t words = rs_key_put_id(key, id, len);
    key[words++] = rs_key_of_i64(RS_TIME_NONE);
    b->id_size = RS_MAX(b->id_size, len);
    return rs_sorter_add(b->rows, key, words, payload, rs_rowcode_put_mention(payload), err);
}

/* A component's host exists by being named; rows of one host tend to come together, so the last one is remembered. */
static enum rs_status mention_parent(rs_builder *b, const char *parent, struct rs_error *err)
{
    if (rs_streq(parent, b->last_parent))
        return RS_OK;
    enum rs_status st = mention(b, parent, strlen(parent), err);
    if (st == RS_OK)
        strcpy(b->last_parent, parent);
    return st;
}

enum rs_status rs_builder_row(rs_builder *b, const struct rs_row *row, struct rs_error *err)
{
    uint64_t key[RS_KEY_WORDS];
    int32_t failure_kind = -1;
    enum rs_status st = check_id("an entity id", row->id, row->id_len, err);
    if (st == RS_OK && row->is_failure)
        st = code_of(&b->failure_kinds, "failure kind", row->failure_kind, &failure_kind, err);
    if (st == RS_OK && row->parent)
        st = mention_parent(b, row->parent, err);
    if (st < 0)
        return st;
    size_t words = rs_key_put_id(key, row->id, row->id_len);
    key[words++] = rs_key_of_i64(row->time);
    b->id_size = RS_MAX(b->id_size, row->id_len);
    uint8_t *payload;
    size_t len;
    st = rs_sorter_reserve(b->rows, key, words, rs_rowcode_bound(row), &payload, err);
    if (st == RS_OK)
        st = rs_rowcode_put(b->code, row, failure_kind, b->signal_names.n, b->columns, b->column_names.n, payload, &len,
                            err);
    if (st < 0)
        return st;
    rs_sorter_commit(b->rows, len);
    return RS_OK;
}

enum rs_status rs_builder_failure(rs_builder *b, const char *id, int64_t time, int64_t back, const char *kind,
                                  struct rs_error *err)
{
    uint64_t key[RS_KEY_WORDS];
    uint8_t payload[RS_ROWCODE_FAILURE_SIZE];
    int32_t code;
    size_t id_len = strlen(id);
    enum rs_status st = check_id("an entity id", id, id_len, err);
    if (st == RS_OK && back != RS_TIME_NONE && back < time)
        st = rs_error_set(err, RS_EINVAL, "%s: back in service before its failure", id);
    if (st == RS_OK)
        st = code_of(&b->failure_kinds, "failure kind", kind, &code, err);
    if (st < 0)
        return st;
    size_t words = rs_key_put_id(key, id, id_len);
    key[words++] = rs_key_of_i64(time);
    b->id_size = RS_MAX(b->id_size, id_len);
    return rs_sorter_add(b->rows, key, words, payload, rs_rowcode_put_failure(back, code, payload), err);
}

/* Side tables. */

enum rs_status rs_builder_table(rs_builder *b, rs_sorter **table, struct rs_error *err)
{
    return *table ? RS_OK : rs_sorter_new(b->folder, TABLE_MEMORY, table, err);
}

enum rs_status rs_builder_refer(rs_builder *b, const char *id, size_t id_len, unsigned tag, const void *payload,
                                size_t len, struct rs_error *err)
{
    uint64_t key[RS_KEY_WORDS];
    enum rs_status st = check_id("an entity id", id, id_len, err);
    if (st == RS_OK)
        st = rs_builder_table(b, &b->refs, err);
    if (st < 0)
        return st;
    size_t words = rs_key_put_id(key, id, id_len);
    key[words++] = (uint64_t)tag;
    return rs_sorter_add(b->refs, key, words, payload, len, err);
}

enum rs_status rs_builder_vm(rs_builder *b, const struct rs_vm *vm, struct rs_error *err)
{
    uint64_t key[RS_KEY_WORDS];
    struct rs_vm_record record = { .vcpus = vm->vcpus,
                                   .memory_bytes = vm->memory_bytes,
                                   .disk_bytes = vm->disk_bytes,
                                   .temp_bytes = vm->temp_bytes,
                                   .slo = vm->slo };
    size_t len = strlen(vm->id);
    enum rs_status st = check_id("a VM id", vm->id, len, err);
    if (st == RS_OK)
        st = code_of(&b->vm_classes, "VM class", vm->vm_class, &record.vm_class, err);
    if (st == RS_OK)
        st = rs_builder_table(b, &b->vms, err);
    if (st < 0)
        return st;
    b->vm_id_size = RS_MAX(b->vm_id_size, len);
    return rs_sorter_add(b->vms, key, rs_key_put_id(key, vm->id, len), &record, sizeof record, err);
}

enum rs_status rs_builder_placement(rs_builder *b, const char *vm, const char *host, int64_t start, int64_t end,
                                    struct rs_error *err)
{
    struct rs_placement_record record = { .start = start, .end = end };
    enum rs_status st = check_id("a VM id", vm, strlen(vm), err);
    if (st == RS_OK)
        st = mention(b, host, strlen(host), err);
    if (st < 0)
        return st;
    size_t words = rs_key_put_id(record.vm, vm, strlen(vm));
    size_t size = offsetof(struct rs_placement_record, vm) + words * sizeof *record.vm;
    return rs_builder_refer(b, host, strlen(host), RS_REF_PLACEMENT, &record, size, err);
}

enum rs_status rs_builder_reboot(rs_builder *b, const char *vm, int64_t time, const char *cause, struct rs_error *err)
{
    uint64_t key[RS_KEY_WORDS];
    int32_t code;
    enum rs_status st = check_id("a VM id", vm, strlen(vm), err);
    if (st == RS_OK)
        st = code_of(&b->reboot_causes, "reboot cause", cause, &code, err);
    if (st == RS_OK)
        st = rs_builder_table(b, &b->reboots, err);
    if (st < 0)
        return st;
    size_t words = rs_key_put_id(key, vm, strlen(vm));
    key[words++] = rs_key_of_i64(time);
    return rs_sorter_add(b->reboots, key, words, &code, sizeof code, err);
}

static enum rs_status add_span(rs_builder *b, const char *entity, enum rs_span_table table, const char *what,
                               const char *word, struct rs_span_record record, struct rs_error *err)
{
    enum rs_status st = code_of(&b->span_words[table], what, word, &record.code, err);
    if (st == RS_OK)
        st = mention(b, entity, strlen(entity), err);
    if (st < 0)
        return st;
    return rs_builder_refer(b, entity, strlen(entity), RS_REF_SPAN + table, &record, sizeof record, err);
}

enum rs_status rs_builder_maintenance(rs_builder *b, const char *entity, int64_t start, int64_t end, const char *kind,
                                      struct rs_error *err)
{
    return add_span(b, entity, RS_SPAN_MAINTENANCE, "maintenance kind", kind,
                    (struct rs_span_record){ .start = start, .end = end }, err);
}

enum rs_status rs_builder_event(rs_builder *b, const char *entity, int64_t time, const char *kind, struct rs_error *err)
{
    if (!kind[0] || time == RS_TIME_NONE)
        return rs_error_set(err, RS_EINVAL, "%s: an event without a %s", entity, kind[0] ? "time" : "kind");
    return add_span(b, entity, RS_SPAN_EVENTS, "event kind", kind,
                    (struct rs_span_record){ .start = time, .end = time }, err);
}

enum rs_status rs_builder_mitigation(rs_builder *b, const char *entity, int64_t time, int64_t until, const char *kind,
                                     struct rs_error *err)
{
    static const char *const kinds[] = { "drained", "moved", "control" };
    bool is_known = false;
    for (size_t i = 0; i < RS_LEN(kinds); i++)
        is_known |= rs_streq(kind, kinds[i]);
    if (!is_known)
        return rs_error_set(err, RS_EINVAL, "%s: mitigation \"%s\": drained, moved or control is wanted", entity, kind);
    if (time == RS_TIME_NONE || (until != RS_TIME_NONE && until < time))
        return rs_error_set(err, RS_EINVAL, "%s: a mitigation that ends before it begins", entity);
    return add_span(b, entity, RS_SPAN_MITIGATIONS, "mitigation", kind,
                    (struct rs_span_record){ .start = time, .end = until }, err);
}

enum rs_status rs_builder_control_share(rs_builder *b, double share, struct rs_error *err)
{
    if (!(share > 0 && share < 1))
        return rs_error_set(err, RS_EINVAL, "control share %g: more than 0 and less than 1 is wanted", share);
    b->control_share = share;
    return RS_OK;
}

enum rs_status rs_builder_truth_value(rs_builder *b, const char *entity, int64_t time, const char *cause, double value,
                                      struct rs_error *err)
{
    struct rs_span_record record = { .start = time, .end = time, .value = value };
    return add_span(b, entity, RS_SPAN_TRUTH, "cause", cause, record, err);
}

enum rs_status rs_builder_truth(rs_builder *b, const char *entity, int64_t time, const char *cause,
                                struct rs_error *err)
{
    return rs_builder_truth_value(b, entity, time, cause, NAN, err);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The plan of a migration as JSON for the journal, and back. */
#include "migrate_private.h"

static json_t *encode_disk(const struct plan_disk *d)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:s}", "target", d->target, "format",
                     d->format, "source_pool", d->source_pool, "source_volume", d->source_volume, "dest_volume",
                     d->dest_volume, "dest_path", d->dest_path, "is_carried", (int)d->is_carried, "capacity_bytes",
                     (json_int_t)d->capacity_bytes, "size_bytes", (json_int_t)d->size_bytes, "data_bytes",
                     (json_int_t)d->data_bytes, "sum", d->sum);
}

char *rs_plan_encode(const struct plan *p)
{
    json_t *disks = json_array();
    for (size_t i = 0; i < p->n_disks; i++)
        json_array_append_new(disks, encode_disk(&p->disks[i]));
    json_t *plan = json_pack("{s:s, s:b, s:b, s:b, s:I, s:I, s:o}", "xml", p->xml ? p->xml : "", "has_autostart",
                             (int)p->has_autostart, "may_be_defined", (int)p->may_be_defined, "may_be_started",
                             (int)p->may_be_started, "memory_bytes", (json_int_t)p->memory_bytes, "suspended_at",
                             (json_int_t)p->suspended_at, "disks", disks);
    char *text = plan ? json_dumps(plan, JSON_COMPACT) : NULL;
    json_decref(plan);
    return text;
}

static bool take_text(json_t *o, const char *key, char *out, size_t size)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s || strlen(s) >= size)
        return false;
    strcpy(out, s);
    return true;
}

static bool take_u64(json_t *o, const char *key, uint64_t *out)
{
    json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static bool decode_disk(json_t *o, struct plan_disk *d)
{
    d->is_carried = json_is_true(json_object_get(o, "is_carried"));
    return take_text(o, "target", d->target, sizeof d->target) && take_text(o, "format", d->format, sizeof d->format) &&
           take_text(o, "source_pool", d->source_pool, sizeof d->source_pool) &&
           take_text(o, "source_volume", d->source_volume, sizeof d->source_volume) &&
           take_text(o, "dest_volume", d->dest_volume, sizeof d->dest_volume) &&
           take_text(o, "dest_path", d->dest_path, sizeof d->dest_path) && take_text(o, "sum", d->sum, sizeof d->sum) &&
           take_u64(o, "capacity_bytes", &d->capacity_bytes) && take_u64(o, "size_bytes", &d->size_bytes) &&
           take_u64(o, "data_bytes", &d->data_bytes);
}

static bool decode(json_t *root, struct plan *p)
{
    json_t *disks = json_object_get(root, "disks"), *at = json_object_get(root, "suspended_at");
    const char *xml = json_string_value(json_object_get(root, "xml"));
    if (!xml || !json_is_integer(at) || !json_is_array(disks) || json_array_size(disks) > RS_DISKS_MAX ||
        !take_u64(root, "memory_bytes", &p->memory_bytes))
        return false;
    p->suspended_at = json_integer_value(at);
    p->has_autostart = json_is_true(json_object_get(root, "has_autostart"));
    p->may_be_defined = json_is_true(json_object_get(root, "may_be_defined"));
    p->may_be_started = json_is_true(json_object_get(root, "may_be_started"));
    for (; p->n_disks < json_array_size(disks); p->n_disks++)
        if (!decode_disk(json_array_get(disks, p->n_disks), &p->disks[p->n_disks]))
            return false;
    p->xml = strdup(xml);
    return p->xml != NULL;
}

enum rs_status rs_plan_decode(const char *json, struct plan *out, struct rs_error *err)
{
    json_error_t why;
    json_t *root = json_loads(json, 0, &why);
    struct plan p = { .suspended_at = RS_TIME_NONE };
    bool ok = root && decode(root, &p);
    json_decref(root);
    if (!ok) {
        rs_plan_clear(&p);
        return rs_error_set(err, RS_EFORMAT, "the plan in the journal cannot be read%s%s", root ? "" : ": ",
                            root ? "" : why.text);
    }
    *out = p;
    return RS_OK;
}

void rs_plan_clear(struct plan *p)
{
    free(p->xml);
    *p = (struct plan){ .suspended_at = RS_TIME_NONE };
}

uint64_t rs_plan_bytes(const struct plan *p)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->n_disks; i++)
        sum += p->disks[i].is_carried ? p->disks[i].data_bytes : 0;
    return sum;
}

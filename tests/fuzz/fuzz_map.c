/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mappings of any bytes, and their use on a row of CSV that stands behind the first NUL byte. */
#include <assert.h>

#include "datasets/map_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every column of the mapping meets the same cell. */
static void use(struct rs_map *m, const char *cell, size_t len)
{
    struct rs_map_reader r = { .map = m };
    struct rs_csv_field field = { cell, len };
    struct rs_csv_record rec = { .fields = &field, .n = 1 };
    char buf[RS_MAP_TEXT_MAX];
    size_t n;
    int64_t time;
    for (size_t i = 0; i < m->entity.n; i++)
        m->entity.parts[i].column.at = 0;
    m->time.column.at = 0;
    if (!rs_map_entity_of(&r, &m->entity, &rec, buf, &n))
        assert(n >= 1 && n <= 255 && !buf[n]);
    rs_map_time_of(&r, &m->time, &rec, &time);
    for (size_t i = 0; i < m->n_attrs; i++) {
        for (size_t k = 0; k < m->attrs[i].text.n; k++)
            m->attrs[i].text.parts[k].column.at = 0;
        if (!m->attrs[i].regex && !rs_map_attr_of(&r, &m->attrs[i], &rec, buf, &n))
            assert(n < sizeof buf);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char usual[] = "2020-01-31T12:00:00Z";
    const uint8_t *nul = memchr(data, 0, size);
    size_t len = nul ? (size_t)(nul - data) : size;
    RS_AUTO_STRUCT(rs_map) *m = NULL;
    struct rs_error err = RS_ERROR_INIT;
    if (rs_map_parse((const char *)data, len, "map", &m, &err) < 0) {
        assert(err.status == RS_ECONFIG && strncmp(err.msg, "map:", 4) == 0);
        return 0;
    }
    if (nul)
        use(m, (const char *)nul + 1, size - len - 1);
    else
        use(m, usual, sizeof usual - 1);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The CSV tokenizer. A window of the file is scanned 64 bytes at a time for the few bytes that matter (delimiter, line
 * feed, quote), as bits of one word; a record without quotes is cut into fields by those bits alone. A record with
 * quotes is cut byte by byte, its fields unescaped in place. */
#include "csv.h"

#include <math.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "datasets/stream.h"

#define LANE ((size_t)64)
#define QUOTED_MAX                                                                                                     \
    ((size_t)64 << 10) /* a record with quotes: stray ones must not cost a scan of the whole window each */
#define WINDOW (RS_CSV_LINE_MAX + ((size_t)256 << 10))

struct rs_csv {
    rs_stream *stream;
    char *path;
    char delimiter;
    char *window; /* WINDOW bytes and LANE more that may be read, never used */
    size_t start; /* of the next record */
    size_t end;   /* of what was read */
    bool has_ended;
    bool is_skipping; /* inside a line that was too long */
    uint64_t line;    /* of the next record */
    size_t lane;      /* window position that `bits` stands for, a multiple of LANE; SIZE_MAX before the first */
    uint64_t bits;    /* delimiters, line feeds and quotes in [lane, lane + LANE) */
    struct rs_csv_field *fields; /* RS_CSV_FIELDS_MAX + 1 */
};

enum rs_status rs_csv_open(const char *path, char delimiter, rs_csv **out, struct rs_error *err)
{
    RS_AUTO(rs_csv) *c = rs_alloc(1, sizeof *c);
    if (!c || !(c->path = strdup(rs_streq(path, "-") ? "standard input" : path)) ||
        !(c->window = malloc(WINDOW + LANE)) || !(c->fields = malloc((RS_CSV_FIELDS_MAX + 1) * sizeof *c->fields)))
        return rs_error_set(err, RS_ENOMEM, "%s: no memory to read it", path);
    memset(c->window, 0, WINDOW + LANE);
    c->delimiter = delimiter;
    c->lane = SIZE_MAX;
    enum rs_status st = rs_stream_open(path, &c->stream, err);
    if (st == RS_OK)
        *out = rs_take(c);
    return st;
}

void rs_csv_close(rs_csv *c)
{
    if (!c)
        return;
    rs_stream_close(c->stream);
    free(c->path);
    free(c->window);
    free(c->fields);
    free(c);
}

const char *rs_csv_path(const rs_csv *c)
{
    return c->path;
}

uint64_t rs_csv_offset(const rs_csv *c)
{
    return rs_stream_offset(c->stream);
}

uint64_t rs_csv_size(const rs_csv *c)
{
    return rs_stream_size(c->stream);
}

#ifdef __SSE2__
static uint64_t scan_lane(const char *p, char delimiter)
{
    const __m128i comma = _mm_set1_epi8(delimiter), feed = _mm_set1_epi8('\n'), quote = _mm_set1_epi8('"');
    uint64_t bits = 0;
    for (unsigned i = 0; i < LANE / 16; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i hit =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, comma), _mm_cmpeq_epi8(v, feed)), _mm_cmpeq_epi8(v, quote));
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(hit) << (16 * i);
    }
    return bits;
}
#else
static uint64_t scan_lane(const char *p, char delimiter)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < LANE; i++)
        bits |= (uint64_t)(p[i] == delimiter || p[i] == '\n' || p[i] == '"') << i;
    return bits;
}
#endif

/* Moves the unread rest to the front and reads on behind it. */
static enum rs_status refill(rs_csv *c, struct rs_error *err)
{
    memmove(c->window, c->window + c->start, c->end - c->start);
    c->end -= c->start;
    c->start = 0;
    c->lane = SIZE_MAX;
    size_t n;
    enum rs_status st = rs_stream_read(c->stream, c->window + c->end, WINDOW - c->end, &n, err);
    if (st < 0)
        return st;
    c->end += n;
    c->has_ended = n == 0;
    return RS_OK;
}

/* Position of the next interesting byte at or after pos, SIZE_MAX where the window has none. */
static inline size_t next_mark(rs_csv *c, size_t pos)
{
    size_t lane = pos & ~(LANE - 1);
    if (lane != c->lane) {
        c->lane = lane;
        c->bits = scan_lane(c->window + lane, c->delimiter);
    }
    uint64_t rest = c->bits & (~(uint64_t)0 << (pos & (LANE - 1)));
    while (!rest) {
        c->lane += LANE;
        if (c->lane >= c->end)
            return SIZE_MAX;
        rest = c->bits = scan_lane(c->window + c->lane, c->delimiter);
    }
    size_t at = c->lane + (size_t)__builtin_ctzll(rest);
    return at < c->end ? at : SIZE_MAX;
}

enum cut { CUT_DONE, CUT_QUOTED, CUT_INCOMPLETE, CUT_TOO_MANY };

static inline void set_field(rs_csv *c, size_t i, size_t from, size_t to)
{
    c->fields[i].text = c->window + from;
    c->fields[i].len = to - from;
}

/* Cuts the record at start; on CUT_DONE *out_end is behind its line feed. */
static enum cut cut_plain(rs_csv *c, size_t *out_n, size_t *out_end)
{
    size_t from = c->start, n = 0;
    for (;;) {
        size_t at = next_mark(c, from);
        if (at == SIZE_MAX && !c->has_ended)
            return CUT_INCOMPLETE;
        if (at == SIZE_MAX)
            at = c->end;
        char ch = at < c->end ? c->window[at] : '\n';
        if (ch == '"')
            return CUT_QUOTED;
        if (n == RS_CSV_FIELDS_MAX)
            return CUT_TOO_MANY;
        if (ch == '\n') {
            size_t to = at > from && c->window[at - 1] == '\r' ? at - 1 : at;
            set_field(c, n, from, to);
            *out_n = n + 1;
            *out_end = RS_MIN(at + 1, c->end);
            return CUT_DONE;
        }
        set_field(c, n++, from, at);
        from = at + 1;
    }
}

/* Finds the end of a record with quotes, line feeds inside of them included. False where the window ends before it. */
static bool find_quoted_end(const rs_csv *c, size_t *out_end, uint64_t *out_lines, bool *out_is_open)
{
    bool is_open = false;
    uint64_t lines = 0;
    size_t limit = RS_MIN(c->end, c->start + QUOTED_MAX);
    for (size_t i = c->start; i < limit; i++) {
        is_open ^= c->window[i] == '"';
        if (c->window[i] != '\n')
            continue;
        lines++;
        if (is_open)
            continue;
        *out_end = i + 1;
        *out_lines = lines;
        *out_is_open = false;
        return true;
    }
    *out_end = c->end;
    *out_lines = lines + 1;
    *out_is_open = is_open || limit < c->end;
    return c->has_ended || limit < c->end;
}

/* Cuts [start, end) and takes quotes off in place. */
static enum cut cut_quoted(rs_csv *c, size_t end, size_t *out_n)
{
    size_t n = 0, i = c->start;
    if (end > i && c->window[end - 1] == '\n')
        end--;
    if (end > i && c->window[end - 1] == '\r')
        end--;
    for (;;) {
        if (n == RS_CSV_FIELDS_MAX)
            return CUT_TOO_MANY;
        size_t from = i, to = i;
        bool is_open = false;
        for (; i < end && (is_open || c->window[i] != c->delimiter); i++) {
            if (c->window[i] != '"')
                c->window[to++] = c->window[i];
            else if (is_open && i + 1 < end && c->window[i + 1] == '"')
                c->window[to++] = c->window[++i];
            else
                is_open = !is_open;
        }
        set_field(c, n++, from, to);
        if (i >= end)
            break;
        i++;
    }
    *out_n = n;
    return CUT_DONE;
}

static enum rs_status hand_bad(struct rs_csv_record *out, uint64_t line, const char *why)
{
    *out = (struct rs_csv_record){ .line = line, .bad = why };
    return RS_CONTINUE;
}

static enum rs_status hand_record(rs_csv *c, size_t n, size_t end, uint64_t lines, struct rs_csv_record *out)
{
    bool has_nul = memchr(c->window + c->start, 0, end - c->start) != NULL;
    *out = (struct rs_csv_record){ .fields = c->fields, .n = n, .line = c->line };
    c->start = end;
    c->line += lines;
    return has_nul ? hand_bad(out, out->line, "holds a NUL byte") : RS_CONTINUE;
}

/* Drops a line that does not fit: the rest of it is skipped as it comes by. */
static enum rs_status skip_line(rs_csv *c, struct rs_error *err)
{
    for (;;) {
        char *feed = memchr(c->window + c->start, '\n', c->end - c->start);
        if (feed) {
            c->start = (size_t)(feed - c->window) + 1;
            c->line++;
            break;
        }
        c->start = c->end;
        if (c->has_ended)
            break;
        enum rs_status st = refill(c, err);
        if (st < 0)
            return st;
    }
    c->is_skipping = false;
    return RS_OK;
}

static void skip_mark_and_blank_lines(rs_csv *c)
{
    if (c->line == 0) {
        c->line = 1;
        if (c->end - c->start >= 3 && memcmp(c->window + c->start, "\xef\xbb\xbf", 3) == 0)
            c->start += 3;
    }
    while (c->start < c->end) {
        const char *p = c->window + c->start;
        size_t blank = *p == '\n' ? 1 : *p == '\r' && c->end - c->start > 1 && p[1] == '\n' ? 2 : 0;
        if (!blank)
            return;
        c->start += blank;
        c->line++;
    }
}

enum rs_status rs_csv_next(rs_csv *c, struct rs_csv_record *out, struct rs_error *err)
{
    if (c->is_skipping) {
        enum rs_status st = skip_line(c, err);
        if (st < 0)
            return st;
    }
    for (;;) {
        if (c->line > 0 || c->end - c->start >= 3 || c->has_ended)
            skip_mark_and_blank_lines(c);
        if (c->start == c->end && c->has_ended)
            return RS_OK;
        size_t n = 0, end = 0;
        uint64_t lines = 1;
        bool is_open = false;
        enum cut cut = c->line == 0 || c->start == c->end ? CUT_INCOMPLETE : cut_plain(c, &n, &end);
        if (cut == CUT_DONE)
            return hand_record(c, n, end, lines, out);
        if (cut == CUT_QUOTED) {
            if (!find_quoted_end(c, &end, &lines, &is_open))
                cut = CUT_INCOMPLETE;
            else if (is_open) { /* the quote may be a stray one: give up this line only */
                c->is_skipping = true;
                return hand_bad(out, c->line, "a quote without end");
            } else if (cut_quoted(c, end, &n) == CUT_DONE) {
                c->lane = SIZE_MAX;
                return hand_record(c, n, end, lines, out);
            } else
                cut = CUT_TOO_MANY;
        }
        if (cut == CUT_TOO_MANY || c->end - c->start >= RS_CSV_LINE_MAX) {
            c->is_skipping = true;
            return hand_bad(out, c->line, cut == CUT_TOO_MANY ? "too many fields" : "line too long");
        }
        enum rs_status st = refill(c, err);
        if (st < 0)
            return st;
    }
}

/* Numbers. */

static bool trim(const struct rs_csv_field *f, const char **p, const char **end)
{
    const char *a = f->text, *b = f->text + f->len;
    while (a < b && (*a == ' ' || *a == '\t'))
        a++;
    while (b > a && (b[-1] == ' ' || b[-1] == '\t'))
        b--;
    *p = a;
    *end = b;
    return a < b;
}

/* The usual reading: digits alone, few enough for 64 bits. */
static inline bool parse_whole(const char *p, const char *end, uint64_t *out)
{
    uint64_t v = 0;
    if (p == end || end - p > 19)
        return false;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        if (digit > 9)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

/* Decimal notation, checked here so that strtod gets nothing else (hexadecimal, "nan", "inf"). */
static bool is_decimal(const char *p, const char *end)
{
    size_t digits = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        digits++;
    if (p < end && *p == '.')
        for (p++; p < end && *p >= '0' && *p <= '9'; p++)
            digits++;
    if (digits == 0)
        return false;
    if (p == end)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *exponent = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == end && p > exponent;
}

bool rs_csv_double(const struct rs_csv_field *f, double *out)
{
    const char *p, *end;
    char text[128];
    if (!trim(f, &p, &end))
        return false;
    uint64_t whole;
    if (parse_whole(p, end, &whole)) {
        *out = (double)whole;
        return true;
    }
    size_t len = (size_t)(end - p);
    if (len >= sizeof text || !is_decimal(p, end))
        return false;
    memcpy(text, p, len);
    text[len] = 0;
    double v = strtod(text, NULL); /* programs never leave the C locale */
    if (!isfinite(v))
        return false;
    *out = v;
    return true;
}

bool rs_csv_float(const struct rs_csv_field *f, float *out)
{
    uint64_t whole;
    if (parse_whole(f->text, f->text + f->len, &whole)) {
        *out = (float)whole;
        return true;
    }
    double v;
    if (!rs_csv_double(f, &v) || !isfinite((float)v))
        return false;
    *out = (float)v;
    return true;
}

bool rs_csv_is(const struct rs_csv_field *f, const char *text)
{
    return f->len == strlen(text) && memcmp(f->text, text, f->len) == 0;
}

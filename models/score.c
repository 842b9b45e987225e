/* SPDX-License-Identifier: Apache-2.0 */
/* Scores: picks the path for this processor once, and cuts batches into pieces. The arithmetic is in score_kernel.inc.
 */
#include "models/score.h"

#include <math.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "common/parallel.h"
#include "models/exp.h"
#include "models/tables.h"

typedef double vec4_f64 __attribute__((vector_size(4 * sizeof(double))));
typedef double vec2_f64 __attribute__((vector_size(2 * sizeof(double))));

struct score_ops {
    const char *name;
    double (*row_z)(const struct rs_model_tables *t, uint32_t cohort, const float *x);
    double (*row_platt)(const struct rs_model_tables *t, uint32_t cohort, const float *x, double a, double b);
    void (*rows_z)(const struct rs_model_tables *t, uint32_t cohort, const float *x, size_t n, double *out_z);
    void (*platt)(double a, double b, double *z_to_p, size_t n);
    double (*rbf_z)(const struct rs_model *m, const float *x);
    void (*rbf_rows_z)(const struct rs_model *m, const float *x, size_t n, double *out_z);
};

/* Loops over few vectors at a time, which are to stay in registers. */
#ifdef __clang__
#define UNROLLED _Pragma("unroll")
#else
#define UNROLLED _Pragma("GCC unroll 8")
#endif

/* Asks for the lines of LANES rows that come PREFETCH_TILES tiles later: eight rows at once are not read in the order
 * in which memory is, so that the processor does not see it coming. Addresses behind the end do no harm. */
static inline void prefetch_rows(const float *x, size_t d)
{
    const char *from = (const char *)x, *ahead = from + PREFETCH_TILES * LANES * d * sizeof *x;
    for (size_t at = 0; at < LANES * d * sizeof *x; at += 64)
        __builtin_prefetch(ahead + at);
}

/* Only the order in which a row alone meets the two halves of the support vectors; no bit of its score. */
static _Thread_local bool second_half_first;

/* Types of score_kernel.inc, of each path. */
#define F64 KERNEL(f64)
#define U64 KERNEL(u64)
#define F32 KERNEL(f32)
#define U32 KERNEL(u32)
#define NARROW KERNEL(narrow)

#define KERNEL(name) name##_plain
#define KERNEL_NAME "plain"
#define PART 4
#define HAS_FMA 0
#define RBF_ROWS 2
#define TARGET
#include "models/score_kernel.inc"
#undef KERNEL
#undef KERNEL_NAME
#undef PART
#undef HAS_FMA
#undef RBF_ROWS
#undef TARGET

#ifdef __x86_64__
#define KERNEL(name) name##_avx2
#define KERNEL_NAME "avx2"
#define PART 4
#define HAS_FMA 1
#define RBF_ROWS 4
#define TARGET __attribute__((target("avx2,fma")))
#include "models/score_kernel.inc"
#undef KERNEL
#undef KERNEL_NAME
#undef PART
#undef HAS_FMA
#undef RBF_ROWS
#undef TARGET

#define KERNEL(name) name##_avx512
#define KERNEL_NAME "avx512"
#define PART 8
#define HAS_FMA 1
#define RBF_ROWS 8
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#include "models/score_kernel.inc"
#undef KERNEL
#undef KERNEL_NAME
#undef PART
#undef HAS_FMA
#undef RBF_ROWS
#undef TARGET
#endif

static const struct score_ops *best_ops(void)
{
    const char *wish = getenv("RESEAT_CPU");
#ifdef __x86_64__
    bool is_plain = wish && rs_streq(wish, "plain"), is_avx2 = wish && rs_streq(wish, "avx2");
    __builtin_cpu_init();
    if (!is_plain && !is_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return &ops_avx512;
    if (!is_plain && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &ops_avx2;
#endif
    (void)wish;
    return &ops_plain;
}

static const struct score_ops *chosen; /* written once; every thread would write the same */

static const struct score_ops *ops(void)
{
    const struct score_ops *o = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (!o) {
        o = best_ops();
        __atomic_store_n(&chosen, o, __ATOMIC_RELAXED);
    }
    return o;
}

const char *rs_score_path(void)
{
    return ops()->name;
}

double rs_model_z(const struct rs_model *m, uint32_t cohort, const float *x)
{
    if (m->learner == RS_RBF_SVM)
        return ops()->rbf_z(m, x);
    return ops()->row_z(m->tables, cohort, x);
}

double rs_model_risk(const struct rs_model *m, uint32_t cohort, const float *x)
{
    const struct rs_calibrator *c = &m->calibrator;
    if (c->kind == RS_PLATT && m->learner != RS_RBF_SVM)
        return ops()->row_platt(m->tables, cohort, x, c->a, c->b);
    return rs_calibrate(c, rs_model_z(m, cohort, x));
}

/* ---- batches ---- */

struct batch {
    const struct rs_model *m;
    const float *x;
    size_t n;
    const uint32_t *cohort; /* NULL: 0 */
    bool has_risk;          /* else z */
    size_t piece;           /* rows that one thread takes at a time */
    double *out;
};

/* Decision values of the rows of one piece; runs of rows with the same cohort go together. */
static void piece_z(const struct batch *b, size_t from, size_t n)
{
    const struct rs_model_tables *t = b->m->tables;
    const float *x = b->x + from * t->d;
    double *out = b->out + from;
    if (b->m->learner == RS_RBF_SVM) {
        ops()->rbf_rows_z(b->m, x, n, out);
        return;
    }
    for (size_t i = 0, run; i < n; i += run) {
        uint32_t cohort = b->cohort ? b->cohort[from + i] : 0;
        run = b->cohort && !t->is_uniform ? 1 : n - i;
        while (i + run < n && b->cohort[from + i + run] == cohort)
            run++;
        ops()->rows_z(t, cohort, x + i * t->d, run, out + i);
    }
}

static void score_piece(const struct batch *b, size_t from, size_t n)
{
    piece_z(b, from, n);
    if (!b->has_risk)
        return;
    const struct rs_calibrator *c = &b->m->calibrator;
    if (c->kind == RS_PLATT) {
        ops()->platt(c->a, c->b, b->out + from, n);
        return;
    }
    for (size_t i = from; i < from + n; i++)
        b->out[i] = rs_calibrate(c, b->out[i]);
}

static void score_task(void *arg, size_t task, unsigned worker)
{
    const struct batch *b = arg;
    size_t from = task * b->piece;
    (void)worker;
    score_piece(b, from, RS_MIN(b->piece, b->n - from));
}

static enum rs_status score_batch(struct batch *b, unsigned n_threads)
{
    for (size_t i = 0; b->cohort && i < b->n; i++)
        if (b->cohort[i] >= b->m->program.n_cohorts)
            return RS_EINVAL;
    b->piece = b->m->learner == RS_RBF_SVM ? RBF_PIECE : SCORE_PIECE;
    rs_parallel(RS_MAX(n_threads, 1), (b->n + b->piece - 1) / b->piece, score_task, b);
    return RS_OK;
}

enum rs_status rs_score_batch(const struct rs_model *m, const float *x, size_t n, const uint32_t *cohort,
                              unsigned n_threads, double *out_p)
{
    struct batch b = { .m = m, .x = x, .n = n, .cohort = cohort, .has_risk = true, .out = out_p };
    return score_batch(&b, n_threads);
}

enum rs_status rs_score_batch_z(const struct rs_model *m, const float *x, size_t n, const uint32_t *cohort,
                                unsigned n_threads, double *out_z)
{
    struct batch b = { .m = m, .x = x, .n = n, .cohort = cohort, .out = out_z };
    return score_batch(&b, n_threads);
}

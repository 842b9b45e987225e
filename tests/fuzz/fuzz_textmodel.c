/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a feature list, and as a text model of either kind: refused with a message, or a finished program and a
 * model of finite numbers. */
#include <math.h>

#include "predictor/stepparse.h"
#include "predictor/textmodel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void try_list(const char *text, size_t size)
{
    rs_auto_feature_list list = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    if (rs_feature_list_read(text, size, &list, &err) != RS_OK) {
        must(err.msg[0] && !list.program.steps);
        return;
    }
    must(list.program.n_steps > 0 && rs_program_state_size(&list.program) > 0);
    for (uint32_t j = 0; j < list.program.n_steps; j++)
        must(isfinite(list.mean[j]) && list.scale[j] > 0);
}

static void try_model(enum rs_text_format format, const char *text, size_t size)
{
    rs_auto_text_model m = { 0 };
    struct rs_error err = RS_ERROR_INIT;
    if (rs_text_model_read(format, text, size, 3, &m, &err) != RS_OK) {
        must(err.msg[0] && !m.w && !m.coef);
        return;
    }
    must(isfinite(m.bias) && (m.w || m.n_sv));
    for (size_t j = 0; m.w && j < 3; j++)
        must(isfinite(m.w[j]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rs_autofree char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    try_list(text, size);
    try_model(RS_TEXT_LIBLINEAR, text, size);
    try_model(RS_TEXT_LIBSVM, text, size);
    return 0;
}

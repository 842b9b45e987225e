/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reseat-train: the program behind the verbs of the table below. */
#include "predictor/cmd.h"

static const struct rs_verb verbs[] = {
    { "train", "reseat train FLEET.h5 -o MODEL.rsm [options]", "Trains a failure model on a fleet file.",
      rs_cmd_train },
    { "eval", "reseat eval FLEET.h5 -m MODEL.rsm [options]",
      "Measures how well a model predicts the failures of a fleet.", rs_cmd_eval },
    { "score", "reseat score FLEET.h5 -m MODEL.rsm [-o SCORES.csv] [options]",
      "Writes the risk of each sample of a fleet.", rs_cmd_score },
    { "drift", "reseat drift FLEET.h5 -m MODEL.rsm [options]",
      "Tells whether a fleet still looks like what a model was trained on.", rs_cmd_drift },
    { "dump", "reseat dump MODEL.rsm [options]", "Prints a model as text.", rs_cmd_dump },
    { "cohorts", "reseat cohorts FLEET.h5 [options]",
      "Finds what hosts that fail more often than the rest have in common.", rs_cmd_cohorts },
    { "export-model", "reseat export-model MODEL.rsm --format FORMAT [-o FILE] [options]",
      "Writes a model in the format of another program.", rs_cmd_export_model },
    { "import-model", "reseat import-model MODEL.txt --format FORMAT --features LIST -o MODEL.rsm [options]",
      "Reads a text model of liblinear or libsvm.", rs_cmd_import_model },
    { NULL, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
    return rs_cli_main("reseat-train", verbs, argc, argv);
}

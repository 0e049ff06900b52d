/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels, decoder and preprocessing of a model: what the user says goes first, then the file's
 * metadata ("weir.…"), then what the decoder's family was trained with. */
#include "engine/formats/formats.h"
#include "engine/sched/model_types.h"

#include <string.h>

static const char *option_or_metadata (const WeirModel *model, const char *option, const char *key)
{
  return option && *option ? option : g_hash_table_lookup (model->metadata, key);
}

bool weir_model_choose_labels (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  const char *embedded = g_hash_table_lookup (model->metadata, "weir.labels");
  if (options->labels && *options->labels) {
    model->labels = weir_labels_load (options->labels, error);
    if (!model->labels)
      return false;
  } else if (embedded) {
    model->labels = g_strsplit (embedded, "\n", -1);
  }
  model->n_labels = model->labels ? g_strv_length (model->labels) : 0;
  return true;
}

bool weir_parse_channels (
    const char *what, const char *text, uint32_t n_channels, float values[3], GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  uint32_t n = g_strv_length (parts);
  bool ok = n == 1 || n == n_channels;
  for (uint32_t i = 0; ok && i < n; i++) {
    char *end;
    double value = g_ascii_strtod (g_strstrip (parts[i]), &end);
    ok = end != parts[i] && !*end && value >= -1e6 && value <= 1e6;
    values[i] = (float) value;
  }
  if (!ok) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s '%s': one number, or %u separated by commas, are expected", what, text, n_channels);
    return false;
  }
  for (uint32_t i = n; i < 3; i++)
    values[i] = values[0];
  return true;
}

static bool parse_choice (
    const char *what, const char *text, const char *const *choices, uint32_t *value, GError **error)
{
  for (uint32_t i = 0; choices[i]; i++) {
    if (strcmp (text, choices[i]) == 0) {
      *value = i;
      return true;
    }
  }
  g_autofree char *all = g_strjoinv (", ", (char **) choices);
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s '%s': one of %s is expected", what, text, all);
  return false;
}

/* [n, c, h, w] or [n, h, w, c] with 1 or 3 channels. */
static bool find_picture (WeirModel *model)
{
  const WeirTensor *shape = &model->facts.inputs[0];
  const int64_t *d = shape->dims;
  bool nchw = shape->rank == 4 && (d[1] == 3 || d[1] == 1);
  bool nhwc = shape->rank == 4 && !nchw && (d[3] == 3 || d[3] == 1);
  if ((!nchw && !nhwc) || model->facts.n_inputs != 1)
    return false;
  int64_t height = nhwc ? d[1] : d[2], width = nhwc ? d[2] : d[3];
  if (height < 1 || width < 1 || height > 16384 || width > 16384)
    return false;
  model->is_nhwc = nhwc;
  model->input.width_px = (uint32_t) width;
  model->input.height_px = (uint32_t) height;
  model->input.n_channels = (uint32_t) (nhwc ? d[3] : d[1]);
  return true;
}

bool weir_model_set_input (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  model->has_picture = find_picture (model);
  return true;
}

/* The decoder's family gives the defaults. */
static bool set_preprocessing (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  static const char *const colors[] = { "rgb", "bgr", "gray", NULL };
  static const char *const resizes[] = { "stretch", "letterbox-top-left", "letterbox-centre",
    "crop", NULL };
  WeirInputSpec *input = &model->input;
  const char *color = option_or_metadata (model, options->color_format, "weir.color-format");
  const char *resize = option_or_metadata (model, options->resize, "weir.resize");
  const char *mean = option_or_metadata (model, options->mean, "weir.mean");
  const char *scale = option_or_metadata (model, options->scale, "weir.scale");
  uint32_t choice = 0;
  input->color = input->n_channels == 1 ? WEIR_COLOR_GRAY : model->decoder->color;
  input->resize = model->decoder->resize;
  input->pad = model->decoder->pad;
  memcpy (input->mean, model->decoder->mean, sizeof input->mean);
  memcpy (input->scale, model->decoder->scale, sizeof input->scale);
  if (color && !parse_choice ("color-format", color, colors, &choice, error))
    return false;
  if (color)
    input->color = (WeirColor) choice;
  if ((input->color == WEIR_COLOR_GRAY) != (input->n_channels == 1)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: color-format '%s' does not fit an input of %u channels", model->path, color,
        input->n_channels);
    return false;
  }
  if (resize && !parse_choice ("resize", resize, resizes, &choice, error))
    return false;
  if (resize)
    input->resize = (WeirResize) choice;
  return (!mean || weir_parse_channels ("mean", mean, input->n_channels, input->mean, error)) &&
         (!scale || weir_parse_channels ("scale", scale, input->n_channels, input->scale, error));
}

static bool check_labels (const WeirModel *model, GError **error)
{
  uint32_t n = model->decoder->n_classes ? model->decoder->n_classes (&model->facts) : 0;
  if (!model->labels || !n || n == model->n_labels)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "%s: %u labels are given, the network has %u classes (decoder %s)", model->path,
      model->n_labels, n, model->decoder->name);
  return false;
}

bool weir_model_choose_decoder (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  const char *name = options->decoder;
  if (name && *name && strcmp (name, "auto") != 0) {
    model->decoder = weir_decoder_find (name);
    model->decoder_why = "asked for";
    if (!model->decoder) {
      g_autofree char *all = g_strjoinv (", ", (char **) weir_decoder_names ());
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
          "decoder '%s': one of auto, %s is expected", name, all);
      return false;
    }
  } else {
    model->decoder = weir_decoder_choose (&model->facts, &model->decoder_why);
  }
  if (!model->decoder) {
    model->decoder = weir_decoder_find ("raw");
    if (!model->decoder_why)
      model->decoder_why = "no decoder recognises the outputs";
  }
  if (!set_preprocessing (model, options, error) || !check_labels (model, error))
    return false;
  model->decoder_state = model->decoder->prepare
                             ? model->decoder->prepare (&model->facts, &model->input, error)
                             : NULL;
  if (model->decoder->prepare && !model->decoder_state) {
    g_prefix_error (error, "%s: ", model->path);
    return false;
  }
  return true;
}

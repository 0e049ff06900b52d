/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels, decoder and preprocessing of a model: what the user says goes first, then the model-proc
 * file, then the model's own metadata (both as "weir.…"), then what the decoder's family was
 * trained with. */
#include "engine/formats/formats.h"
#include "engine/sched/model_types.h"

#include <string.h>

#define MAX_LABELS 1000000

static const char *option_or_metadata (const WeirModel *model, const char *option, const char *key)
{
  return option && *option ? option : g_hash_table_lookup (model->metadata, key);
}

/* The one entry of the model-proc file that has labels of classes; NULL where there is none, or
 * several heads have labels of their own. */
static WeirProcOutput *find_labelled (const WeirProc *proc)
{
  WeirProcOutput *found = NULL;
  for (uint32_t i = 0; proc && i < proc->n_outputs; i++) {
    if (!proc->outputs[i].labels)
      continue;
    if (found)
      return NULL;
    found = &proc->outputs[i];
  }
  return found;
}

/* Labels that name attributes, one for each value, are no labels of classes. */
static bool names_attributes (const WeirProcOutput *output)
{
  return output->method &&
         (strcmp (output->method, "multi") == 0 || strcmp (output->method, "compound") == 0);
}

/* The property goes before the one labelled entry of the model-proc file, this before the file. */
bool weir_model_choose_labels (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  const char *embedded = g_hash_table_lookup (model->metadata, "weir.labels");
  WeirProcOutput *labelled = find_labelled (model->proc);
  if (options->labels && *options->labels) {
    model->labels = weir_labels_load (options->labels, error);
    if (!model->labels)
      return false;
    if (labelled) {
      g_strfreev (labelled->labels);
      labelled->labels = g_strdupv (model->labels);
      labelled->n_labels = g_strv_length (labelled->labels);
    }
  } else if (labelled && !names_attributes (labelled)) {
    model->labels = g_strdupv (labelled->labels);
  } else if (embedded) {
    model->labels = g_strsplit (embedded, "\n", MAX_LABELS);
    model->has_own_labels = true;
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

/* What a file says of colours is passed over for a network of one channel. */
static bool set_color (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  static const char *const colors[] = { "rgb", "bgr", "gray", NULL };
  WeirInputSpec *input = &model->input;
  const char *color = option_or_metadata (model, options->color_format, "weir.color-format");
  uint32_t choice = 0;
  if (input->n_channels == 1 && !(options->color_format && *options->color_format))
    color = NULL;
  input->color = input->n_channels == 1 ? WEIR_COLOR_GRAY : model->decoder->color;
  if (color && !parse_choice ("color-format", color, colors, &choice, error))
    return false;
  if (color)
    input->color = (WeirColor) choice;
  if ((input->color == WEIR_COLOR_GRAY) == (input->n_channels == 1))
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "%s: color-format '%s' does not fit an input of %u channels", model->path, color,
      input->n_channels);
  return false;
}

static bool set_resize (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  static const char *const resizes[] = { "stretch", "letterbox-top-left", "letterbox-centre",
    "crop", NULL };
  WeirInputSpec *input = &model->input;
  const char *resize = option_or_metadata (model, options->resize, "weir.resize");
  const char *pad = g_hash_table_lookup (model->metadata, "weir.pad");
  uint32_t choice = model->decoder->resize;
  guint64 value = model->decoder->pad;
  if (resize && !parse_choice ("resize", resize, resizes, &choice, error))
    return false;
  if (pad && !g_ascii_string_to_unsigned (pad, 10, 0, UINT8_MAX, &value, NULL)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: the metadata's weir.pad is '%s', 0 to 255 is expected", model->path, pad);
    return false;
  }
  input->resize = (WeirResize) choice;
  input->pad = (uint8_t) value;
  return true;
}

/* The decoder's family gives the defaults. */
static bool set_preprocessing (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  WeirInputSpec *input = &model->input;
  const char *mean = option_or_metadata (model, options->mean, "weir.mean");
  const char *scale = option_or_metadata (model, options->scale, "weir.scale");
  memcpy (input->mean, model->decoder->mean, sizeof input->mean);
  memcpy (input->scale, model->decoder->scale, sizeof input->scale);
  return set_color (model, options, error) && set_resize (model, options, error) &&
         (!mean || weir_parse_channels ("mean", mean, input->n_channels, input->mean, error)) &&
         (!scale || weir_parse_channels ("scale", scale, input->n_channels, input->scale, error));
}

/* Labels that do not fit: an error where they were given, dropped where they are the file's own. */
static bool check_labels (WeirModel *model, GError **error)
{
  uint32_t n = model->decoder->n_classes ? model->decoder->n_classes (&model->facts) : 0;
  if (!model->labels || !n || n == model->n_labels)
    return true;
  if (!model->has_own_labels) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: %u labels are given, the network has %u classes (decoder %s)", model->path,
        model->n_labels, n, model->decoder->name);
    return false;
  }
  g_message ("%s: the file has %u labels, its network %u classes (decoder %s): they are not used",
      model->path, model->n_labels, n, model->decoder->name);
  g_clear_pointer (&model->labels, g_strfreev);
  model->facts.labels = NULL;
  model->facts.n_labels = model->n_labels = 0;
  return true;
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

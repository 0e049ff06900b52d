/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking up and freeing what a model-proc file says. */
#include "engine/base/proc.h"

const WeirProcOutput *weir_proc_find (const WeirProc *proc, const char *layer_name)
{
  const WeirProcOutput *any = NULL;
  for (uint32_t i = 0; proc && i < proc->n_outputs; i++) {
    const WeirProcOutput *output = &proc->outputs[i];
    if (!output->layer_names)
      any = any ? any : output;
    else if (g_strv_contains ((const char *const *) output->layer_names, layer_name))
      return output;
  }
  return any;
}

void weir_proc_free (WeirProc *proc)
{
  if (!proc)
    return;
  for (uint32_t i = 0; i < proc->n_outputs; i++) {
    WeirProcOutput *output = &proc->outputs[i];
    g_strfreev (output->layer_names);
    g_strfreev (output->labels);
    g_free (output->converter);
    g_free (output->attribute_name);
    g_free (output->method);
    g_clear_pointer (&output->members, g_hash_table_unref);
  }
  g_free (proc->outputs);
  g_free (proc);
}

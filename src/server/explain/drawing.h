/*
 * drawing.h - a graph as a text that draws it: DOT, Mermaid, SVG.
 *
 * Input is what graph.get answers: nodes [{name, state, external?, service?, action?, top?}] and
 * edges [{from, to, kind, condition, gate, status}].  An action has its service, stands behind
 * it, and is drawn inside of it where the format has boxes.  Kinds by lines: requires solid,
 * wants dashed, after dotted, conflicts red; a gate is a label.  A state is a colour.
 * The SVG stands alone: no graphviz, no font, no script.
 *
 * Depends on: base, graph/layout.h, jansson.
 */
#ifndef HP_SERVER_EXPLAIN_DRAWING_H
#define HP_SERVER_EXPLAIN_DRAWING_H

#include "base/str.h"

#include <jansson.h>

void drawing_dot(const json_t *graph, struct str *out);
void drawing_mermaid(const json_t *graph, struct str *out);
void drawing_svg(const json_t *graph, struct str *out);

#endif

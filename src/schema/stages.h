/* SPDX-License-Identifier: Apache-2.0
 *
 * The stages of a load (load.c calls them in this order). Private to schema/.
 *
 * Each takes the document of one file, or from merge_tree on that of the whole project, changes it
 * in place and says what is wrong as problems of the pass. None needs the one before to have been
 * free of mistakes: a part that is not of the right kind is left alone, and decoding says so.
 */
#ifndef SCHEMA_STAGES_H
#define SCHEMA_STAGES_H

#include "schema/pass.h"

/* Text, checked by pass_check_text, to the document of file number `file`. Never NULL. */
struct value *yaml_parse(struct schema_pass *pass, uint16_t file, struct str text);
struct value *procfile_parse(struct schema_pass *pass, uint16_t file, struct str text);
/* x-muelle of the top level and of each service becomes part of the map it stands in. */
void merge_own_keys(struct schema_pass *pass, struct value *root);
/* ${NAME} in values, with the pass's variables. */
void interpolate_tree(struct schema_pass *pass, struct value *root);
/* Short forms to long ones; relative paths become absolute below pass->base_dir. */
void normalise_tree(struct schema_pass *pass, struct value *root);
/* Other files become part of this one. `depth` counts files that led from one to the next. */
void include_files(struct schema_pass *pass, struct value *root, unsigned depth);
/* `path` is the document's own: what `extends` without a file means. */
void extend_services(struct schema_pass *pass, struct value *root, struct str path, unsigned depth);

/* Merges `from` over `into` (normalised documents), which takes over its nodes. */
void merge_tree(struct schema_pass *pass, struct value *into, struct value *from);
void merge_service(struct schema_pass *pass, struct value *into, struct value *from);
/* Removes services of which no profile is chosen. */
void profiles_apply(struct schema_pass *pass, struct value *root);
/* env_file and null values of `environment` become texts. */
void environment_resolve(struct schema_pass *pass, struct value *root);
/* On a project without mistakes so far; also adds what follows from the whole (listeners). */
void verify_project(struct schema_pass *pass, const struct value *root, struct project_spec *spec);

/* Sorts rows first, names by bytes (canonical.c); afterwards equal trees have equal hashes. */
void canonicalise(const struct schema_table *table, struct value *v);
/* Over the rows SCHEMA_RESTART alone: changes if and only if running replicas must be replaced. */
uint64_t canonical_restart_hash(const struct schema_table *table, const struct value *v,
                                uint64_t seed);

/* What include and extends call back: one file to a document that is ready to be merged.
 * `asked_at` is where it is named (line 0: nowhere). NULL when it said a problem. */
struct value *load_file(struct schema_pass *pass, struct str path, struct str base_dir,
                        struct value_at asked_at, unsigned depth);
/* Adds the variables of a file to the pass's; those that are there win. */
void environment_load(struct schema_pass *pass, struct str path, bool required, struct value_at at);

#endif

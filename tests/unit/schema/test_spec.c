/* SPDX-License-Identifier: Apache-2.0
 *
 * Expanding the names that exist per replica.
 */
#include "harness/test.h"
#include "schema/spec.h"

static struct str expand(struct buf *out, const char *text)
{
    static const struct spec_pair values[] = {
        {STR_INIT("PORT"), STR_INIT("4001")},
        {STR_INIT("MUELLE_REPLICA"), STR_INIT("2")},
    };
    buf_reset(out);
    spec_expand(str_from(text), values, ARRAY_LEN(values), out);
    return buf_str(out);
}

TEST(both_forms_are_expanded_and_the_rest_stays)
{
    struct buf out = BUF_INIT(1000);
    check_str(expand(&out, "--port $PORT"), STR("--port 4001"));
    check_str(expand(&out, "${PORT}-${MUELLE_REPLICA}"), STR("4001-2"));
    check_str(expand(&out, "$PORTAL ${PORT:-1} $HOME $ $$ ${PORT"),
              STR("$PORTAL ${PORT:-1} $HOME $ $$ ${PORT"));
    check_str(expand(&out, ""), STR(""));
    check_str(expand(&out, "x$"), STR("x$"));
    buf_fini(&out);
}

TEST(replica_names)
{
    check(spec_is_replica_name(STR("PORT")));
    check(spec_is_replica_name(STR("MUELLE_SERVICE")));
    check(!spec_is_replica_name(STR("PORTAL")));
    check(!spec_is_replica_name(STR("MUELLE_OWN_THING")));
    check(!spec_is_replica_name(STR("")));
}

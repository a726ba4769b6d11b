/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/page.h"
#include "harness/test.h"

static const struct page_text text = {
    .status = 503,
    .code = "edge.stopped",
    .reason = {"it is stopped", "está parado"},
    .hint = {"Start it.", "Arráncalo."},
    .service = {"a<b>&\"c", 7},
    .request_id = {"id-1", 4},
};

static bool has(const struct buf *page, const char *part)
{
    return str_find(buf_str(page), str_from(part)) >= 0;
}

TEST(a_page_speaks_one_language)
{
    cleanup(buf_fini) struct buf english = BUF_INIT(8192), spanish = BUF_INIT(8192);
    page_write_html(&english, &text, false);
    check(has(&english, "<html lang=\"en\">") && has(&english, "503 Service Unavailable</h1>"));
    check(has(&english, "Service <strong>a&lt;b&gt;&amp;&quot;c</strong>: it is stopped.</p>"));
    check(has(&english, "<p>Start it.</p>") && has(&english, "request <code>id-1</code>"));
    page_write_html(&spanish, &text, true);
    check(has(&spanish, "<html lang=\"es\">") && has(&spanish, "503 Servicio no disponible</h1>"));
    check(has(&spanish, "Servicio <strong>a&lt;b&gt;&amp;&quot;c</strong>: está parado.</p>"));
    check(has(&spanish, "<p>Arráncalo.</p>") && has(&spanish, "petición <code>id-1</code>"));
}

TEST(words_that_only_english_has_are_marked)
{
    cleanup(buf_fini) struct buf page = BUF_INIT(8192);
    page_write_html(&page, &(struct page_text){.status = 418, .reason = {.en = "bad <head>"}},
                    true);
    check(has(&page, "<p><span lang=\"en\">Bad &lt;head&gt;</span>.</p>"));
    check(!has(&page, "strong") && !has(&page, "<code>"));
}

TEST(a_problem_is_english)
{
    cleanup(buf_fini) struct buf problem = BUF_INIT(8192);
    page_write_problem(&problem, &text);
    check(has(&problem, "\"type\":\"urn:muelle:problem:edge.stopped\""));
    check(has(&problem, "\"detail\":\"It is stopped\"") && has(&problem, "\"hint\":\"Start it.\""));
}

TEST(spanish_is_what_is_liked_better)
{
    check(page_in_spanish(STR("es-ES,es;q=0.9,en;q=0.8")));
    check(!page_in_spanish(STR("en-GB,en;q=0.9,es;q=0.8")));
    check(!page_in_spanish(STR("fr, es;q=0.5, en;q=0.5")));
    check(!page_in_spanish(STR("*")) && !page_in_spanish(STR_NONE));
}

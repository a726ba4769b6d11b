/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages are small, without scripts or foreign parts. Nothing that a client sent is repeated in one
 * but its request id, whose letters are checked.
 */
#include "edge/page.h"

#include "base/json.h"
#include "proto/accept.h"
#include "proto/http.h"

#include <stdio.h>

bool page_in_spanish(struct str header)
{
    return accept_language(header, STR("es")) > accept_language(header, STR("en"));
}

static void add_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.p[i]) {
        case '<':
            buf_add(out, STR("&lt;"));
            break;
        case '>':
            buf_add(out, STR("&gt;"));
            break;
        case '&':
            buf_add(out, STR("&amp;"));
            break;
        case '"':
            buf_add(out, STR("&quot;"));
            break;
        default:
            buf_add_char(out, text.p[i]);
        }
    }
}

/* As words that stand behind a colon become a sentence. */
enum { SENTENCE_MAX = 256 };
static const char *sentence(const char *words, char memory[SENTENCE_MAX])
{
    (void)snprintf(memory, SENTENCE_MAX, "%s", words);
    if (memory[0] >= 'a' && memory[0] <= 'z') {
        memory[0] = (char)(memory[0] - 'a' + 'A');
    }
    return memory;
}

void page_write_problem(struct buf *out, const struct page_text *text)
{
    struct json_writer json = JSON_WRITER(out);
    json_begin_object(&json);
    json_key(&json, STR("type"));
    char type[96], memory[SENTENCE_MAX];
    (void)snprintf(type, sizeof(type), "urn:muelle:problem:%s", text->code);
    json_cstr(&json, type);
    json_field(&json, "title", str, http_reason(text->status));
    json_field(&json, "status", u64, text->status);
    json_field(&json, "detail", cstr, sentence(text->reason.en, memory));
    json_field(&json, "code", cstr, text->code);
    if (text->service.len > 0) {
        json_field(&json, "service", str, text->service);
    }
    if (text->hint.en) {
        json_field(&json, "hint", cstr, text->hint.en);
    }
    json_field(&json, "request_id", str, text->request_id);
    json_end_object(&json);
    buf_add_char(out, '\n');
}

/* Statuses that pages have; others keep their English name. */
static struct str spanish_title(unsigned status)
{
    static const struct {
        unsigned status;
        struct str title;
    } titles[] = {
        {308, STR_INIT("Redirección permanente")},
        {400, STR_INIT("Petición incorrecta")},
        {403, STR_INIT("Prohibido")},
        {404, STR_INIT("No encontrado")},
        {405, STR_INIT("Método no permitido")},
        {408, STR_INIT("La petición tardó demasiado")},
        {413, STR_INIT("Contenido demasiado grande")},
        {414, STR_INIT("Dirección demasiado larga")},
        {417, STR_INIT("Expectativa no cumplida")},
        {426, STR_INIT("Hace falta otro protocolo")},
        {431, STR_INIT("Cabecera demasiado grande")},
        {500, STR_INIT("Error interno")},
        {501, STR_INIT("No implementado")},
        {502, STR_INIT("Respuesta incorrecta del servicio")},
        {503, STR_INIT("Servicio no disponible")},
        {504, STR_INIT("El servicio tardó demasiado")},
        {505, STR_INIT("Versión de HTTP no admitida")},
    };
    for (size_t i = 0; i < ARRAY_LEN(titles); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return http_reason(status);
}

static void add_reason(struct buf *out, const struct page_text *text, bool spanish)
{
    bool foreign = spanish && !text->reason.es;
    const char *words = spanish && !foreign ? text->reason.es : text->reason.en;
    char memory[SENTENCE_MAX];
    buf_add_cstr(out, foreign ? "<span lang=\"en\">" : "");
    add_escaped(out, str_from(text->service.len > 0 ? words : sentence(words, memory)));
    buf_add_cstr(out, foreign ? "</span>.</p>\n" : ".</p>\n");
}

void page_write_html(struct buf *out, const struct page_text *text, bool spanish)
{
    struct str title = spanish ? spanish_title(text->status) : http_reason(text->status);
    const char *hint = spanish ? text->hint.es : text->hint.en;
    buf_printf(out,
               "<!doctype html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\">"
               "<meta name=\"viewport\" content=\"width=device-width\"><title>%u " STR_FMT
               "</title>\n"
               "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;"
               "padding:0 1em;color-scheme:light dark}code{font-size:.9em}small{opacity:.7}</style>"
               "</head><body>\n<h1>%u " STR_FMT "</h1>\n<p>",
               spanish ? "es" : "en", text->status, STR_ARG(title), text->status, STR_ARG(title));
    if (text->service.len > 0) {
        buf_add_cstr(out, spanish ? "Servicio <strong>" : "Service <strong>");
        add_escaped(out, text->service);
        buf_add_cstr(out, "</strong>: ");
    }
    add_reason(out, text, spanish);
    if (hint) {
        buf_add_cstr(out, "<p>");
        add_escaped(out, str_from(hint));
        buf_add_cstr(out, "</p>\n");
    }
    buf_add_cstr(out, "<p><small>muelle");
    if (text->request_id.len > 0) {
        buf_add_cstr(out, spanish ? " &middot; petición <code>" : " &middot; request <code>");
        add_escaped(out, text->request_id);
        buf_add_cstr(out, "</code>");
    }
    buf_add_cstr(out, "</small></p>\n</body></html>\n");
}

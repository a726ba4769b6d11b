/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration says of TLS: certificates by file, and how https listeners speak it. The
 * files are read by run/ when the configuration is applied; here are only their names.
 */
#include "schema/normalise.h"
#include "schema/row.h"
#include "schema/spec.h"
#include "schema/table.h"

const char *const names_tls_version[] = {"1.2", "1.3", NULL};
const char *const names_client_certificate[] = {"none", "optional", "required", NULL};

#define C(member) AT(struct certificate_spec, member)
static const struct schema_field certificate_rows[] = {
    {"cert", SCHEMA_STRING, C(cert), .flags = SCHEMA_REQUIRED, .normalise = normalise_path,
     SAY("Certificate, perhaps with its chain behind it, PEM.",
         "Certificado, quizá seguido de su cadena, PEM.")},
    {"key", SCHEMA_STRING, C(key), .flags = SCHEMA_REQUIRED, .normalise = normalise_path,
     SAY("Private key, PEM, without a passphrase.", "Clave privada, PEM, sin contraseña.")},
    {"chain", SCHEMA_STRING, C(chain), .normalise = normalise_path,
     SAY("Certificates of the issuers, PEM, where they are in a file of their own.",
         "Certificados de los emisores, PEM, si están en un archivo aparte.")},
    {"ocsp", SCHEMA_STRING, C(ocsp), .normalise = normalise_path,
     SAY("OCSP response to staple, DER.", "Respuesta OCSP que se adjunta, DER.")},
};
const struct schema_table table_certificate = {
    TABLE_OF("certificate", certificate_rows, struct certificate_spec),
    SAY("A certificate and its key.", "Un certificado y su clave."),
};

#define T(member) AT(struct gateway_tls_spec, member)
static const struct schema_field gateway_tls_rows[] = {
    {"certificates", SCHEMA_LIST, OBJECTS(table_certificate),
     LIST_AT(struct gateway_tls_spec, certificates), .merge = SCHEMA_MERGE_APPEND,
     SAY("Certificates of all https listeners; the name that a client asks for chooses. Without "
         "any, muelle's development authority issues one.",
         "Certificados de todas las direcciones https; elige el nombre que pide el cliente. Sin "
         "ninguno, los emite la autoridad de desarrollo de muelle.")},
    {"min_version", SCHEMA_ENUM, T(min_version), ONE_OF(names_tls_version), .preset = "1.2",
     SAY("Oldest TLS that is spoken.", "TLS más antiguo que se habla.")},
    {"client_ca", SCHEMA_STRING, T(client_ca), .normalise = normalise_path,
     SAY("Authorities whose client certificates are taken, PEM.",
         "Autoridades cuyos certificados de cliente se aceptan, PEM.")},
    {"client_certificate", SCHEMA_ENUM, T(client_certificate), ONE_OF(names_client_certificate),
     SAY("Whether clients are asked for a certificate: optional by default when there is a "
         "client_ca; required ends the handshake of who has none.",
         "Si se pide certificado a los clientes: optional por defecto si hay client_ca; required "
         "corta a quien no lo tenga.")},
    {"tickets", SCHEMA_INT, T(tickets), BOUNDS(0, 8), .preset = "2",
     SAY("Session tickets sent after a handshake; 0 = no resumption.",
         "Tickets de sesión tras un saludo; 0 = sin reanudación.")},
    {"ocsp_fetch", SCHEMA_BOOL, T(ocsp_fetch), .preset = "true",
     SAY("OCSP answers are fetched from the responders that certificates name, and stapled; false: "
         "nobody is asked, and only what `ocsp` names is stapled.",
         "Se piden y se adjuntan las respuestas OCSP de los servidores que nombran los "
         "certificados; false: no se pregunta a nadie, y solo se adjunta lo que nombre `ocsp`.")},
    {"light", SCHEMA_BOOL, T(light), .preset = "false",
     SAY("TLS 1.3 connections are muelle's own after OpenSSL's handshake: an idle one costs a "
         "tenth "
         "of the memory.",
         "Tras el saludo de OpenSSL, muelle lleva las conexiones TLS 1.3: una inactiva ocupa una "
         "décima parte de la memoria.")},
};
const struct schema_table table_gateway_tls = {
    TABLE_OF("gateway_tls", gateway_tls_rows, struct gateway_tls_spec),
    SAY("How https listeners speak TLS.", "Cómo hablan TLS las direcciones https."),
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that this project does not call, turned into compile errors. The build includes this
 * header in front of every file, so the system headers that declare them come first: a macro of the
 * same name would break their declarations.
 *
 * Why each: the str* family and sprintf know no bounds, or cut silently; strtok, gmtime, localtime,
 * ctime and asctime keep state that threads share, or read the time zone of the machine; atoi and
 * its kin tell no error from 0; rand is neither random enough for a secret nor repeatable for a
 * test.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef strtok
#undef sprintf
#undef vsprintf
#undef gets
#undef atoi
#undef atol
#undef atof
#undef gmtime
#undef localtime
#undef ctime
#undef asctime
#undef rand
#undef srand
#define strcpy(d, s)     do_not_use_strcpy__use_buf
#define strcat(d, s)     do_not_use_strcat__use_buf
#define strncpy(d, s, n) do_not_use_strncpy__use_str_copy
#define strncat(d, s, n) do_not_use_strncat__use_buf
#define strtok(s, d)     do_not_use_strtok__use_str_split
#define sprintf(...)     do_not_use_sprintf__use_buf_printf
#define vsprintf(...)    do_not_use_vsprintf__use_buf_vprintf
#define gets(s)          do_not_use_gets
#define atoi(s)          do_not_use_atoi__use_num_parse
#define atol(s)          do_not_use_atol__use_num_parse
#define atof(s)          do_not_use_atof__use_num_parse
#define gmtime(t)        do_not_use_gmtime__use_timefmt
#define localtime(t)     do_not_use_localtime__use_timefmt
#define ctime(t)         do_not_use_ctime__use_timefmt
#define asctime(t)       do_not_use_asctime__use_timefmt
#define rand()           do_not_use_rand__use_rng
#define srand(s)         do_not_use_srand__use_rng

#endif

/*
 * test_websocket.c - the WebSocket connection, section by section as the test suite of Autobahn has
 * them, and its life.
 */
#include "websocket_kit.h"

/* Runs all. */
int main(void)
{
    CU_SuiteInfo suites[] = {
        { "framing", NULL, NULL, NULL, NULL, framing_tests },
        { "text", NULL, NULL, NULL, NULL, text_tests },
        { "close", NULL, NULL, NULL, NULL, close_tests },
        { "deflate", NULL, NULL, NULL, NULL, deflate_tests },
        { "life", NULL, NULL, NULL, NULL, life_tests },
        CU_SUITE_INFO_NULL
    };

    return suite_main("websocket", suites);
}

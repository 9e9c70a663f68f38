<?php
// Answer as slow_app.py does: two seconds, in twenty pieces.
while (ob_get_level()) ob_end_flush();
for ($piece = 0; $piece < 20; $piece++) {
    echo str_repeat("0123456789abcdef", 64);
    flush();
    usleep(100000);
}

<?php
// PHP's own reader, behind its built-in server: a form comes as a request, and goes back as what the script sees.
if ($_SERVER['REQUEST_URI'] === '/version') {
    echo json_encode(['version' => PHP_VERSION]);
    return;
}
$entries = [];
// Names in brackets become lists, which are told by their path.
$walk = function ($name, $value) use (&$walk, &$entries) {
    if (is_array($value)) {
        foreach ($value as $key => $inner) {
            $walk($name . '[' . $key . ']', $inner);
        }
        return;
    }
    $entries[] = [(string) $name, base64_encode($value), false];
};
foreach ($_POST as $name => $value) {
    $walk($name, $value);
}
$refused = null;
foreach ($_FILES as $name => $file) {
    if (is_array($file['error'])) {
        $entries[] = [(string) $name . '[]', '', true];
    } elseif ($file['error'] !== UPLOAD_ERR_OK) {
        $refused = 'upload error ' . $file['error'];
    } else {
        $entries[] = [(string) $name, base64_encode(file_get_contents($file['tmp_name'])), true];
    }
}
$last = error_get_last();
if ($last !== null) {
    $refused = $last['message'];
}
echo json_encode($refused === null ? ['entries' => $entries] : ['entries' => $entries, 'refused' => $refused]);

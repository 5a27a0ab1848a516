<?php
// PHP's readers of JSON and queries. See frames.ts for the frames, texts.ts for the entries.
function walk($path, $value, &$entries)
{
    if (is_object($value) || is_array($value)) {
        $entries[] = [$path, base64_encode(is_object($value) ? '{}' : '[]'), false];
        foreach ($value as $name => $inner) {
            walk($path . "\x1f" . $name, $inner, $entries);
        }
        return;
    }
    $text = match (true) {
        is_string($value) => 'text ' . $value,
        is_bool($value) => $value ? 'true' : 'false',
        $value === null => 'null',
        default => 'number ' . json_encode($value),
    };
    $entries[] = [$path, base64_encode($text), false];
}

function ofJson($body)
{
    $entries = [];
    walk('', json_decode($body, false, 512, JSON_THROW_ON_ERROR), $entries);
    return $entries;
}

function ofQuery($body)
{
    parse_str($body, $read);
    $entries = [];
    // Names in brackets become lists, which are told by their path.
    $flatten = function ($name, $value) use (&$flatten, &$entries) {
        if (!is_array($value)) {
            $entries[] = [(string) $name, base64_encode($value), false];
            return;
        }
        foreach ($value as $key => $inner) {
            $flatten($name . '[' . $key . ']', $inner);
        }
    };
    foreach ($read as $name => $value) {
        $flatten($name, $value);
    }
    return $entries;
}

echo json_encode(['version' => PHP_VERSION]), "\n";
while (($line = fgets(STDIN)) !== false) {
    [$typeBytes, $bodyBytes] = array_map('intval', explode(' ', $line));
    $frame = '';
    while (strlen($frame) < $typeBytes + $bodyBytes) {
        $frame .= fread(STDIN, $typeBytes + $bodyBytes - strlen($frame));
    }
    $body = substr($frame, $typeBytes);
    try {
        $answer = ['entries' => $argv[1] === 'json' ? ofJson($body) : ofQuery($body)];
    } catch (Throwable $error) {
        $answer = ['entries' => [], 'refused' => get_class($error) . ': ' . $error->getMessage()];
    }
    echo json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

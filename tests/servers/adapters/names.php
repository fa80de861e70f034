<?php
// What PHP reads under a name, for PHP's own server, which fills $_GET, $_POST and $_COOKIE as any other.

// As an app reads `filter[org]`: by its steps. PHP has no names with dots or blanks, so an app asks for `org_id`.
function nested(mixed $value, string $name): mixed {
    foreach (preg_split('/[\[\]]+/', strtr($name, '. ', '__'), -1, PREG_SPLIT_NO_EMPTY) as $step) {
        $value = is_array($value) ? ($value[$step] ?? null) : null;
    }
    return $value;
}

function strings(mixed $value): array {
    if ($value === null) return [];
    if (is_array($value)) return array_merge([], ...array_map('strings', array_values($value)));
    return [bin2hex(is_bool($value) ? ($value ? 'true' : 'false') : (string) $value)];
}

$name = $_SERVER['HTTP_X_NAME'] ?? '';
parse_str(hex2bin($_SERVER['HTTP_X_QUERY'] ?? ''), $parsed);
$document = json_decode(file_get_contents('php://input'), true);
header('Content-Type: application/json');
echo json_encode([
    'version' => PHP_VERSION,
    '$_GET' => strings(nested($_GET, $name)),
    'parse_str' => strings(nested($parsed, $name)),
    '$_COOKIE' => strings(nested($_COOKIE, $name)),
    '$_POST' => strings(nested($_POST, $name)),
    'json_decode' => strings(is_array($document) ? ($document[$name] ?? null) : null),
]);

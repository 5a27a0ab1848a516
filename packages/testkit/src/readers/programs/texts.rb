# Ruby's reader of JSON, and Rack's of queries. See frames.ts for the frames, texts.ts for the entries.
require 'json'
require 'rack'

def encode(text)
  [text.to_s.b].pack('m0')
end

def walk(path, value, entries)
  case value
  when Hash
    entries << [path, encode('{}'), false]
    value.each { |name, inner| walk("#{path}\x1f#{name}", inner, entries) }
  when Array
    entries << [path, encode('[]'), false]
    value.each_with_index { |inner, at| walk("#{path}\x1f#{at}", inner, entries) }
  when String then entries << [path, encode("text #{value}"), false]
  when nil then entries << [path, encode('null'), false]
  when true, false then entries << [path, encode(value), false]
  else entries << [path, encode("number #{value}"), false]
  end
end

def flatten(name, value, entries)
  case value
  when Hash then value.each { |key, inner| flatten("#{name}[#{key}]", inner, entries) }
  when Array then value.each { |inner| flatten("#{name}[]", inner, entries) }
  else entries << [name, encode(value), false]
  end
end

READERS = {
  'json' => lambda do |body|
    entries = []
    walk('', JSON.parse(body.force_encoding('UTF-8')), entries)
    entries
  end,
  'flat' => lambda do |body|
    Rack::Utils.parse_query(body).flat_map { |name, value| [value].flatten.map { |one| [name, encode(one), false] } }
  end,
  'nested' => lambda do |body|
    entries = []
    Rack::Utils.parse_nested_query(body).each { |name, value| flatten(name, value, entries) }
    entries
  end,
}.freeze

read = READERS.fetch(ARGV[0])
$stdout.sync = true
$stdin.binmode
puts JSON.generate(version: ARGV[0] == 'json' ? JSON::VERSION : Rack.release)
while (line = $stdin.gets)
  type_bytes, body_bytes = line.split.map(&:to_i)
  $stdin.read(type_bytes)
  body = $stdin.read(body_bytes) || ''
  begin
    puts JSON.generate(entries: read.call(body))
  rescue StandardError, SystemStackError => error
    puts JSON.generate(entries: [], refused: "#{error.class}: #{error.message}".scrub[0, 200])
  end
end

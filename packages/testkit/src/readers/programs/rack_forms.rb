# Rack's reader of forms. See frames.ts for the frames.
require 'json'
require 'rack'
require 'stringio'

Rack::Utils.multipart_part_limit = 0
Rack::Utils.multipart_total_part_limit = 0 if Rack::Utils.respond_to?(:multipart_total_part_limit=)

def encode(value)
  [value.to_s.b].pack('m0')
end

# Names in brackets become lists, which are told by their path.
def walk(name, value, entries)
  case value
  when Hash
    if value[:tempfile]
      entries << [name, encode(value[:tempfile].read), true]
      value[:tempfile].close!
    else
      value.each { |key, inner| walk("#{name}[#{key}]", inner, entries) }
    end
  when Array
    value.each { |inner| walk("#{name}[]", inner, entries) }
  else
    entries << [name, encode(value), false]
  end
end

$stdout.sync = true
$stdin.binmode
puts JSON.generate(version: Rack.release)
while (line = $stdin.gets)
  type_bytes, body_bytes = line.split.map(&:to_i)
  type = $stdin.read(type_bytes) || ''
  body = $stdin.read(body_bytes) || ''
  begin
    environment = {
      'REQUEST_METHOD' => 'POST',
      'CONTENT_TYPE' => type.force_encoding('UTF-8'),
      'CONTENT_LENGTH' => body.bytesize.to_s,
      'rack.input' => StringIO.new(body.b),
    }
    entries = []
    (Rack::Request.new(environment).POST || {}).each { |name, value| walk(name.to_s, value, entries) }
    puts JSON.generate(entries: entries)
  rescue StandardError => error
    puts JSON.generate(entries: [], refused: "#{error.class}: #{error.message}".scrub[0, 200])
  end
end

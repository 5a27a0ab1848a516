# The httpclient gem, with what it does unless it is told otherwise.
require 'httpclient'

base = ENV.fetch('BASE')
headers = { 'Authorization' => "Bearer #{ENV.fetch('TOKEN')}" }
client = HTTPClient.new
response =
  case ARGV.fetch(0)
  when 'models' then client.get("#{base}/models", nil, headers)
  when 'generate'
    client.post("#{base}/v1/ideogram-v3/generate", ENV.fetch('JSON'), headers.merge('Content-Type' => 'application/json'))
  when 'remix'
    form = { 'prompt' => 'a lighthouse', 'rendering_speed' => 'TURBO', 'image' => File.new(ENV.fetch('FILE')) }
    client.post("#{base}/v1/ideogram-v3/remix", form, headers)
  when 'health' then client.get("#{base}/-/health", nil, headers)
  else client.head("#{base}/-/health", nil, headers)
  end
puts response.status

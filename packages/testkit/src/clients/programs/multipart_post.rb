# Net::HTTP with the multipart-post gem, with what they do unless they are told otherwise.
require 'net/http/post/multipart'

base = URI(ENV.fetch('BASE'))
request =
  case ARGV.fetch(0)
  when 'models' then Net::HTTP::Get.new('/models')
  when 'generate'
    Net::HTTP::Post.new('/v1/ideogram-v3/generate', 'Content-Type' => 'application/json').tap { |post| post.body = ENV.fetch('JSON') }
  when 'remix'
    image = UploadIO.new(File.new(ENV.fetch('FILE')), 'image/png', 'photo.png')
    form = { 'prompt' => 'a lighthouse', 'rendering_speed' => 'TURBO', 'image' => image }
    Net::HTTP::Post::Multipart.new('/v1/ideogram-v3/remix', form)
  when 'health' then Net::HTTP::Get.new('/-/health')
  else Net::HTTP::Head.new('/-/health')
  end
request['Authorization'] = "Bearer #{ENV.fetch('TOKEN')}"
puts Net::HTTP.start(base.host, base.port) { |http| http.request(request) }.code

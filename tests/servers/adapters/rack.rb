# What Rack reads under a name: a question a line in, an answer a line out.
require "json"
require "rack"
require "stringio"

FORM = "application/x-www-form-urlencoded"

def env_of(channel, data, type)
  env = Rack::MockRequest.env_for("http://internal/", method: "POST")
  case channel
  when "query" then env["QUERY_STRING"] = data
  when "cookie" then env["HTTP_COOKIE"] = data
  when "host"
    env.delete("HTTP_HOST")
    data.split("\r\n").each do |line|
      name, value = line.split(":", 2)
      key = "HTTP_" + name.upcase.tr("-", "_")
      env[key] = env.key?(key) ? "#{env[key]},#{value.strip}" : value.strip
    end
  else
    env["CONTENT_TYPE"] = type unless type.empty?
    env["CONTENT_LENGTH"] = data.bytesize.to_s
    env["rack.input"] = StringIO.new(data)
  end
  env
end

# As an app reads `filter[org]`: by its steps where parameters nest.
def nested(value, name)
  name.split(/[\[\]]+/).reject(&:empty?).reduce(value) { |at, step| at.is_a?(Hash) ? at[step] : nil }
end

READERS = {
  "query" => {
    "GET" => ->(env, data, name) { nested(Rack::Request.new(env).GET, name) },
    "parse_query" => ->(env, data, name) { Rack::Utils.parse_query(data)[name] },
  },
  "cookie" => { "cookies" => ->(env, data, name) { Rack::Request.new(env).cookies[name] } },
  "form" => { "POST" => ->(env, data, name) { nested(Rack::Request.new(env).POST, name) } },
  "json" => { "JSON.parse" => ->(env, data, name) { JSON.parse(data.dup.force_encoding("UTF-8"))[name] } },
  "host" => { "host" => ->(env, data, name) { Rack::Request.new(env).host } },
}

def strings(value)
  case value
  when nil then []
  when Hash then value.values.flat_map { |each| strings(each) }
  when Array then value.flat_map { |each| strings(each) }
  else [value.to_s.unpack1("H*")]
  end
end

$stdout.sync = true
puts "#{Gem.loaded_specs["rack"]&.version || Rack.release} on Ruby #{RUBY_VERSION}".to_json
$stdin.each_line do |line|
  asked = JSON.parse(line)
  data = [asked["data"]].pack("H*")
  read = READERS[asked["channel"]].to_h do |label, reader|
    values = begin
      strings(reader.call(env_of(asked["channel"], data.dup, asked["type"]), data.dup, asked["name"]))
    rescue StandardError # It refuses this.
      []
    end
    [label, values]
  end
  puts read.to_json
end

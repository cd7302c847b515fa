Gem::Specification.new do |s|
  s.name = "app"
  s.version = "1.0"
  s.summary = "app"
  s.authors = ["a"]
  s.files = ["lib/app.rb"]
end

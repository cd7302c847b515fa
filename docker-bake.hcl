# `praxis bake` builds praxis' own image; `praxis bake tsa` the variant with timestamps.
variable "VERSION" {
  default = "0.1.0"
}

target "default" {
  context    = "."
  dockerfile = "Dockerfile"
  tags       = ["localhost/praxis/praxis:${VERSION}"]
  args = {
    VERSION = VERSION
  }
}

target "tsa" {
  inherits = ["default"]
  tags     = ["localhost/praxis/praxis:${VERSION}-tsa"]
  target   = "runtime-tsa"
}

#!/usr/bin/perl
use strict;
use warnings;
print "report\n";

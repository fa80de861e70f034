# What Perl's CGI reads under a name: a question a line in, an answer a line out.
use strict;
use warnings;
use CGI qw(-utf8);
use CGI::Cookie;
use JSON::PP;

$CGI::LIST_CONTEXT_WARN = 0;
$| = 1;
my $json = JSON::PP->new->canonical->allow_nonref;
print $json->encode("$CGI::VERSION on Perl $^V"), "\n";

while (my $line = <STDIN>) {
    my $asked = $json->decode($line);
    my ($data, $name) = (pack("H*", $asked->{data}), $asked->{name});
    my %read;
    if ($asked->{channel} eq "cookie") {
        my %cookies = CGI::Cookie->parse($data);
        $read{"CGI::Cookie"} = exists $cookies{$name} ? [$cookies{$name}->value] : [];
    } else {
        # A body that is a form is taken apart by the same code.
        $read{"param"} = [eval { CGI->new($data)->param($name) }];
    }
    for my $values (values %read) {
        $values = [map { my $text = $_; utf8::encode($text) if utf8::is_utf8($text); unpack("H*", $text) } grep { defined } @$values];
    }
    print $json->encode(\%read), "\n";
}

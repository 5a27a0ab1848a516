# Perl's reader of JSON, and CGI.pm's of queries. See frames.ts for the frames, texts.ts for the entries.
use strict;
use warnings;
use B ();
use CGI ();
use Encode ();
use JSON::PP ();
use MIME::Base64 ();

$CGI::LIST_CONTEXT_WARN = 0;
my $json = JSON::PP->new->ascii;
my $strict = JSON::PP->new->utf8->allow_nonref;

sub encode { MIME::Base64::encode_base64($_[0], '') }

sub walk {
    my ($path, $value, $entries) = @_;
    if (ref $value eq 'HASH') {
        push @$entries, [$path, encode('{}'), JSON::PP::false];
        walk("$path\x1f$_", $value->{$_}, $entries) for keys %$value;
    } elsif (ref $value eq 'ARRAY') {
        push @$entries, [$path, encode('[]'), JSON::PP::false];
        walk("$path\x1f$_", $value->[$_], $entries) for 0 .. $#$value;
    } elsif (!defined $value) {
        push @$entries, [$path, encode('null'), JSON::PP::false];
    } elsif (JSON::PP::is_bool($value)) {
        push @$entries, [$path, encode($value ? 'true' : 'false'), JSON::PP::false];
    } else {
        my $text = B::svref_2object(\$value)->FLAGS & B::SVp_POK ? "text $value" : 'number ' . sprintf('%.17g', $value);
        push @$entries, [$path, encode(Encode::encode_utf8($text)), JSON::PP::false];
    }
}

my %readers = (
    json => sub { my @entries; walk('', $strict->decode($_[0]), \@entries); \@entries },
    cgi => sub {
        local %ENV = (%ENV, REQUEST_METHOD => 'GET', QUERY_STRING => $_[0]);
        CGI::initialize_globals();
        my $query = CGI->new;
        [ map { my $name = $_; map { [$name, encode($_), JSON::PP::false] } $query->multi_param($name) } $query->multi_param ];
    },
);
my $read = $readers{ $ARGV[0] };
my $version = $ARGV[0] eq 'json' ? "$JSON::PP::VERSION" : "$CGI::VERSION";
@ARGV = ();
binmode(STDIN);
$| = 1;
print $json->encode({ version => $version }), "\n";
while (defined(my $line = <STDIN>)) {
    my ($type_bytes, $body_bytes) = split ' ', $line;
    read(STDIN, my $type, $type_bytes);
    my $body = '';
    read(STDIN, $body, $body_bytes) if $body_bytes > 0;
    my $entries = eval { $read->($body) };
    my $answer = defined $entries ? { entries => $entries } : { entries => [], refused => substr("$@", 0, 200) };
    print $json->encode($answer), "\n";
}

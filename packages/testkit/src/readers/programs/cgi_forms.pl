# CGI.pm's reader of forms. See frames.ts for the frames.
use strict;
use warnings;
use CGI ();
use JSON::PP ();
use MIME::Base64 ();

$CGI::LIST_CONTEXT_WARN = 0;
$CGI::POST_MAX = -1;
my $json = JSON::PP->new->latin1;
open(my $frames, '<&', \*STDIN) or die $!;
binmode($frames);
$| = 1;
print $json->encode({ version => "$CGI::VERSION" }), "\n";
while (defined(my $line = <$frames>)) {
    my ($type_bytes, $body_bytes) = split ' ', $line;
    read($frames, my $type, $type_bytes);
    my $body = '';
    read($frames, $body, $body_bytes) if $body_bytes > 0;
    my @entries;
    my $fine = eval {
        local %ENV = (%ENV, REQUEST_METHOD => 'POST', CONTENT_TYPE => $type, CONTENT_LENGTH => length $body);
        CGI::initialize_globals();
        close(STDIN);
        open(STDIN, '<', \$body) or die $!;
        my $form = CGI->new;
        my $error = $form->cgi_error;
        die "$error\n" if $error;
        for my $name ($form->multi_param) {
            my @files = $form->upload($name);
            for my $value ($form->multi_param($name)) {
                my $file = ref $value || ref \$value eq 'GLOB' ? $value : undef;
                if (defined $file) {
                    local $/;
                    binmode($file);
                    my $content = <$file>;
                    push @entries, [$name, MIME::Base64::encode_base64($content // '', ''), JSON::PP::true];
                } else {
                    push @entries, [$name, MIME::Base64::encode_base64($value, ''), JSON::PP::false];
                }
            }
        }
        1;
    };
    my $answer = { entries => \@entries };
    $answer->{refused} = substr("$@", 0, 200) unless $fine;
    print $json->encode($answer), "\n";
}

"""The plan of a deployment as a document: what a preview says, in the words of those who must approve it.

`events` reads what `pulumi preview` tells, `tokens`, `resources` and `migrations` say what it means, `document` puts
it together as a value, `markdown` and `json_shape` write it down. All of them are pure; `preview` alone runs the CLI.
"""

// conv2d(img: u8[5, 6], w: i8[3, 3]) -> (out: i32[5, 6])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module conv2d (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // img: 30 words of u8, row-major 5 x 6
    output logic               img_ren,
    output logic [4:0]         img_raddr,
    input  logic [7:0]         img_rdata,

    // w: 9 words of i8, row-major 3 x 3
    output logic               w_ren,
    output logic [3:0]         w_raddr,
    input  logic signed [7:0]  w_rdata,

    // out: 30 words of i32, row-major 5 x 6
    output logic               out_wen,
    output logic [4:0]         out_waddr,
    output logic signed [31:0] out_wdata
);
  logic       start_r;
  logic [2:1] last_r;  // the stage that holds the last iteration

  // ----------------------------------------------------------------------- the run (designs.py:53)
  logic accepted;

  assign accepted = start && !busy;

  always_ff @(posedge clk) begin
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (accepted) begin
        busy <= 1'b1;
      end else if (last_r[2]) begin
        busy <= 1'b0;
      end
      done <= last_r[2];
    end
  end

  // ---------------------- loop i, j: 30 iterations, one begins each cycle, 1 stage (designs.py:54)
  localparam logic [2:0] LAST_I = 3'd4;
  localparam logic [2:0] LAST_J = 3'd5;
  logic       i_last;
  logic       j_last;
  logic [2:0] i;
  logic [2:0] j;
  logic       run_i;  // iterations begin

  assign i_last = i == LAST_I;
  assign j_last = j == LAST_J;

  always_ff @(posedge clk) begin
    if (rst) begin
      j <= 3'd0;
      run_i <= 1'b0;
    end else begin
      if (run_i) j <= j_last ? 3'd0 : j + 3'd1;
      if (accepted) begin
        run_i <= 1'b1;
      end else if (start_r) begin
        run_i <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk) begin
    if (accepted) begin
      i <= 3'd0;
    end else if (run_i && j_last) begin
      i <= i + 3'd1;
    end
  end

  // ------------ loop r, c, dr, dc: 108 iterations, one begins each cycle, 3 stages (designs.py:55)
  localparam logic [1:0] LAST_R = 2'd2;
  localparam logic [1:0] LAST_C = 2'd3;
  localparam logic [1:0] LAST_DR = 2'd2;
  localparam logic [1:0] LAST_DC = 2'd2;
  logic [1:0]         r;
  logic               r_last;
  logic [1:0]         c;
  logic               c_last;
  logic               dr_last;
  logic               dc_last;
  logic signed [31:0] s_next;
  logic [1:0]         r_plus_1;
  logic [4:0]         out_addr_sum;
  logic [2:0]         c_plus_1;
  logic [3:0]         r_c_count;  // r, c side by side
  logic [1:0]         dr;
  logic [1:0]         dc;
  logic               run_r;      // iterations begin
  logic [2:1]         valid_r;    // the stages that hold an iteration
  logic signed [15:0] img_times_w_s2;
  logic [2:1]         both_s;
  logic signed [31:0] s;
  logic [2:1]         both_s_1;
  logic [4:0]         out_addr_s1;
  logic [4:0]         out_addr_s2;

  assign start_r = run_i && j_last && i_last;
  assign r = r_c_count[3:2];
  assign r_last = r == LAST_R;
  assign c = r_c_count[1:0];
  assign c_last = c == LAST_C;

  // designs.py:57: for dr, dc in gm.grid(3, 3):
  assign dr_last = dr == LAST_DR;
  assign dc_last = dc == LAST_DC;

  // designs.py:58: s += img[r + dr, c + dc] * w[dr, dc]
  assign s_next = (both_s[2] ? 32'sd0 : s) + 32'(img_times_w_s2);

  assign r_plus_1 = r + 2'd1;
  assign out_addr_sum = 5'({r_plus_1, 2'd0}) + 5'({r_plus_1, 1'b0});
  assign c_plus_1 = 3'(c) + 3'd1;

  // designs.py:55, 57
  always_ff @(posedge clk) begin
    if (rst) begin
      dr <= 2'd0;
      dc <= 2'd0;
      run_r <= 1'b0;
      last_r <= '0;
      valid_r <= '0;
    end else begin
      if (run_r) begin
        if (dc_last) dr <= dr_last ? 2'd0 : dr + 2'd1;
        dc <= dc_last ? 2'd0 : dc + 2'd1;
      end
      if (start_r) begin
        run_r <= 1'b1;
      end else if (dc_last && dr_last && c_last && r_last) begin
        run_r <= 1'b0;
      end
      last_r <= {last_r[1], run_r && dc_last && dr_last && c_last && r_last};
      valid_r <= {valid_r[1], run_r};
    end
  end

  // designs.py:55, 56
  always_ff @(posedge clk) begin
    if (start_r) begin
      r_c_count <= 4'd0;
      s <= 32'sd0;
    end else begin
      if (run_r && dc_last && dr_last) r_c_count <= r_c_count + 4'd1;
      if (valid_r[2]) s <= s_next;
    end
  end

  // designs.py:56, 58, 59
  always_ff @(posedge clk) begin
    img_times_w_s2 <= $signed(16'(img_rdata)) * 16'(w_rdata);
    both_s <= {both_s[1], (dr == 2'd0) && (dc == 2'd0)};
    both_s_1 <= {both_s_1[1], dr_last && dc_last};
    out_addr_s1 <= out_addr_sum + 5'(c_plus_1);
    out_addr_s2 <= out_addr_s1;
  end

  // ----------------------------------------------------------------------------------------- ports
  logic [2:0] r_plus_dr;
  logic [5:0] img_raddr_sum;
  logic [2:0] c_plus_dc;
  logic [3:0] w_raddr_sum;
  logic [5:0] out_waddr_sum;

  // designs.py:55: for r, c in gm.grid(H - 2, W - 2):
  assign r_plus_dr = 3'(r) + 3'(dr);
  assign img_raddr_sum = 6'({r_plus_dr, 2'd0}) + 6'({r_plus_dr, 1'b0});
  assign c_plus_dc = 3'(c) + 3'(dc);

  // designs.py:57: for dr, dc in gm.grid(3, 3):
  assign w_raddr_sum = 4'({dr, 1'b0}) + 4'(dr);

  // designs.py:54: out = gm.zeros((H, W), i32)
  assign out_waddr_sum = 6'({i, 2'd0}) + 6'({i, 1'b0});

  assign img_raddr = img_raddr_sum[4:0] + 5'(c_plus_dc);
  assign img_ren = run_r;
  assign w_raddr = w_raddr_sum + 4'(dc);
  assign w_ren = run_r;
  assign out_waddr = run_i ? out_waddr_sum[4:0] + 5'(j) : out_addr_s2;
  assign out_wdata = run_i ? 32'sd0 : s_next;
  assign out_wen = run_i || (valid_r[2] && both_s_1[2]);

  // bits that nothing reads
  logic unused;
  assign unused = &{1'b0, img_raddr_sum[5], out_waddr_sum[5]};
endmodule
